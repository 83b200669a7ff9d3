"""JSON lines and JSON documents, the formats of our own: in and out."""

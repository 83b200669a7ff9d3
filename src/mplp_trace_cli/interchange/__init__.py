"""What goes in and out: reading and writing files in the formats of this field."""

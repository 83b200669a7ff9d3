"""HTML pages: one self-contained file each, that opens from disk and asks nothing of a network."""

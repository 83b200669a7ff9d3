"""Out of the store: what is exported, in which shape, and where it goes."""

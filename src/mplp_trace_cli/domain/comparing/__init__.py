"""How two traces differ: their events aligned, their values compared path by path."""

"""What a trace and an event are, and which values are valid. Pure: no I/O, imports nothing of ours."""

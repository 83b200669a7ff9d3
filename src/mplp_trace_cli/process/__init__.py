"""`run` and `step`: a command and its trace."""

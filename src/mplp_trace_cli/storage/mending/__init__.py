"""What `doctor` does: its checks, the process of its own that opens damaged files, what is saved."""

"""Long runs, from `make soak` only."""

"""Trace documents of the MPLP v1.0 protocol: out and in."""

"""The commands: each parses, calls one method of the service, and hands the answer to a view."""

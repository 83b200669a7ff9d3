"""Into the store: files, dry runs of them and retried rejects, each in one transaction."""

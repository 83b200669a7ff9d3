"""The schema of the store, as numbered steps; each is applied with its record in one transaction."""

MIGRATIONS = ("0001_initial.sql",)

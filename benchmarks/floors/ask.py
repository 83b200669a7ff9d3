"""Runs SQL over a store file as a bare program would: `ask.py FILE STATEMENTS`, a JSON file of pairs."""

import json
import sys

import duckdb
import rich  # noqa: F401  what a program that prints a table imports
import typer  # noqa: F401

store, statements = sys.argv[1:]
db = duckdb.connect(store, read_only=True)
for query, values in json.load(open(statements)):  # noqa: SIM115
    rows = db.execute(query, values).fetchall()
print(len(rows))

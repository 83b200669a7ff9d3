"""Standard input into SQLite, a line a row, unread: the floor of a durable stream. `insert_lines.py FILE`."""

import sqlite3
import sys

GROUP_BYTES = 2 << 20

db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA journal_mode=WAL")
db.execute("PRAGMA synchronous=FULL")
db.execute("CREATE TABLE entries (seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, body TEXT)")
while lines := sys.stdin.readlines(GROUP_BYTES):
    db.execute("BEGIN IMMEDIATE")
    db.executemany("INSERT INTO entries (kind, body) VALUES ('event', ?)", ((line,) for line in lines))
    db.execute("COMMIT")
db.close()

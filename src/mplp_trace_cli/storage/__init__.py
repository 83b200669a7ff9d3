"""Where traces and events are kept: the inbox, the fold, the store.

Errors of sqlite3, duckdb and the file system become ours here and go no further.
"""

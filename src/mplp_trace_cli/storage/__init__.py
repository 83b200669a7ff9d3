"""Where traces and events are kept: the inbox, the fold, the store.

Errors of sqlite3, duckdb and the file system become ours here and go no further.

- files: `paths` has their names and makes them; `sqlite_files` and `engine` are the doors; `forking`
- recording: `inbox`; `recording` one, `groups` many, `spans` late ones too; `known` asks the store
- from inbox to store: `fold`; `store`, `migrations`, `sql`
- reading: `reading` where nothing can be written, `rows`, `running` (spilling, stopping), `following`
- as time goes on: `keeping` expires, purges and compacts; `mending` is doctor and repair
- beside: `alert_book`; `processes` says which of them live
"""

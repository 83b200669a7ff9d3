"""DuckDB as everything of ours imports it: without the connection that its import opens for itself.

That connection has threads, which a fork does not copy, and a forked child that uses DuckDB would be aborted
when it ends. A program that has imported DuckDB before us may be using that connection, so it stays; then a
forked child folds nothing by itself. Whoever calls `duckdb.sql` later gets a new one.
"""

from __future__ import annotations

import sys

from mplp_trace_cli.storage.forking import in_child, leave_store_alone

__all__ = ["duckdb"]

_is_first = "duckdb" not in sys.modules

import duckdb  # noqa: E402

if _is_first:
    duckdb.default_connection().close()
else:
    in_child(leave_store_alone)

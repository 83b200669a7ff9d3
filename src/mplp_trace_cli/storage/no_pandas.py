"""Leaving pandas out of processes of our own, which never use it.

DuckDB imports pandas, where it is installed, at the first value that a query binds, and pyarrow at the first
scalar: half a second for nothing. A Ctrl-C that comes meanwhile is lost, because they take it for a pandas
that cannot be imported. A program that uses the library may need its pandas: only programs of ours call this.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec


class _NoPandas:
    """Finds every module but pandas where it would be found anyway."""

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is left out of this process", name=name)
        return None


def leave_pandas_out() -> None:
    """From now on an import of pandas fails in this process, as where it is not installed."""
    sys.meta_path.insert(0, _NoPandas())

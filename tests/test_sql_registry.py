"""The SQL files and the code that asks for them: none is missing, none is left over."""

from __future__ import annotations

import re
from pathlib import Path

import mplp_trace_cli
from mplp_trace_cli.storage.migrations import MIGRATIONS
from mplp_trace_cli.storage.sql import migration, statement

PACKAGE = Path(mplp_trace_cli.__file__).parent
STATEMENTS = {path.stem for path in (PACKAGE / "storage" / "sql").glob("*.sql")}
CODE = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))


def named() -> set[str]:
    """Every statement that the code names: at the call, in the table of stages, or built for an export."""
    names = set(re.findall(r"""\bstatement\(["'](\w+)["']\)""", CODE))
    assert 'statement(f"export_{table[:-1]}_lines")' in CODE
    assert "statement(stage)" in CODE
    fold = (PACKAGE / "storage" / "fold.py").read_text()
    names |= set(re.findall(r'"(stage_\w+)"', fold))
    return names | {f"export_{kind}_lines" for kind in ("trace", "event", "metric")}


def test_every_statement_is_used_and_there() -> None:
    """The names in the code are exactly the files in the folder."""
    assert named() == STATEMENTS
    assert len(re.findall(r"""\bstatement\((?!["']|name: str)""", CODE)) == 2, "another built name"


def test_every_statement_says_why() -> None:
    """Each file opens with its reason as a comment and is one package resource."""
    for name in STATEMENTS:
        assert statement(name).startswith("-- "), name


def test_migrations_are_numbered() -> None:
    """The files are exactly the registered migrations, numbered from 1 without a gap."""
    files = sorted(path.name for path in (PACKAGE / "storage" / "migrations").glob("*.sql"))
    assert files == list(MIGRATIONS)
    assert [int(name.split("_")[0]) for name in files] == list(range(1, len(files) + 1))
    assert all(migration(name).startswith("-- ") for name in files)

"""Lines that could not be recorded: listed, shown byte for byte, retried, cleared."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Cli

LATIN = b'{"event_type":"caf\xe9","trace_id":"t"}'
LINES = b'{"event_type":"lost","trace_id":"t","data":{"n":1.10}}\n' + LATIN + b"\n\x1b[31mnonsense\n"


@pytest.fixture
def rejected(cli: Cli) -> Cli:
    """A store with three rejected lines."""
    done = cli("import", "-", stdin=LINES)
    assert (done.code, json.loads(done.stdout)["rejected"]) == (1, 3)
    assert done.stderr == "3 rejected (mplp-trace rejects list)\n"
    return cli


def rows(cli: Cli) -> list[dict[str, Any]]:
    """The rejects as objects."""
    found: list[dict[str, Any]] = json.loads(cli.ok("rejects", "list", "--json"))
    return found


def test_list_and_show(rejected: Cli) -> None:
    """A reject has its place and reason; `show` prints its bytes visibly, `--raw` as they came."""
    found = rows(rejected)
    assert [(row["line"], row["byte_offset"]) for row in found] == [(1, 0), (2, 55), (3, 55 + len(LATIN) + 1)]
    by_line = {row["line"]: row for row in found}
    assert by_line[1]["reason"] == "there is no trace t"
    assert by_line[2]["reason"] == "not UTF-8 at byte 19"
    assert by_line[3]["reason"].startswith("not JSON: ")
    shown = rejected.ok("rejects", "show", str(by_line[3]["id"]))
    assert shown.splitlines()[0] == "source  stdin"
    assert shown.splitlines()[4] == "raw     \\x1b[31mnonsense"
    assert rejected("rejects", "show", str(by_line[2]["id"]), "--raw").raw == LATIN
    assert "\\xe9" in by_line[2]["raw"]
    done = rejected("rejects", "list", "--limit", "1")
    assert done.stderr == "1 of 3 rejects (--limit, --page)\n"
    done = rejected("rejects", "show", "999")
    assert (done.code, done.stderr) == (1, "error: there is no reject 999\nhint: mplp-trace rejects list\n")


def test_retry(rejected: Cli) -> None:
    """What is good by now is recorded and leaves the rejects; what is not stays, with exit code 1."""
    rejected.ok("create", "x", "--trace-id", "t")
    done = rejected("rejects", "retry", "--all")
    assert (done.code, done.stderr) == (1, "1 event, 2 rejected (mplp-trace rejects list)\n")
    assert json.loads(done.stdout)["events"] == 1
    assert [row["line"] for row in rows(rejected)] == [2, 3]
    assert '"data":{"n":1.10}' in rejected.ok("events", "--json")


def test_retry_makes_missing_traces_when_asked(rejected: Cli) -> None:
    """One reject by its id, with the trace it names."""
    first = next(row["id"] for row in rows(rejected) if row["line"] == 1)
    assert rejected("rejects", "retry", str(first), "--create-missing").code == 0
    assert [row["name"] for row in json.loads(rejected.ok("query", "--json"))] == ["t"]
    done = rejected("rejects", "retry", str(first))
    assert (done.code, done.stderr.splitlines()[0]) == (1, f"error: there is no reject {first}")


def test_retry_of_rejects_with_line_breaks(cli: Cli) -> None:
    """Each reject is one thing to retry, however many lines its bytes have: none is taken for the next."""
    table = b'event_type,trace_id,message\n"a\nb",t\ngood,later,one\nbad,never,two\n'
    assert json.loads(cli("import", "-", "--input-format", "csv", stdin=table).stdout)["rejected"] == 3
    cli.ok("create", "x", "--trace-id", "later")
    assert json.loads(cli("rejects", "retry", "--all").stdout)["events"] == 1
    assert [row["line"] for row in rows(cli)] == [2, 4]
    assert json.loads(cli("rejects", "retry", "--all").stdout)["events"] == 0
    assert [row["line"] for row in rows(cli)] == [2, 4]


def test_clear(rejected: Cli) -> None:
    """Some by id, or all; which ones must be said."""
    ids = [str(row["id"]) for row in rows(rejected)]
    assert rejected("rejects", "clear").code == 2
    assert rejected("rejects", "clear", ids[0], "--all").code == 2
    assert rejected("rejects", "clear", ids[1]).stderr == "cleared 1 reject\n"
    assert [str(row["id"]) for row in rows(rejected)] == [ids[0], ids[2]]
    assert rejected("rejects", "clear", "--all").stderr == "cleared 2 rejects\n"
    assert rows(rejected) == []

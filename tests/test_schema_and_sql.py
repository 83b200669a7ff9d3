"""`schema` and `sql`: the catalogue agrees with the store, questions are read-only and see nothing else."""

from __future__ import annotations

import json

import pytest

from mplp_trace_cli.analysis.catalog import COLUMNS
from mplp_trace_cli.service import TraceManagementService
from tests.conftest import Cli


def test_the_catalogue_is_the_store(service: TraceManagementService) -> None:
    """Every column of every view is listed in order with its type, over the store alone and with pending."""
    service.create_trace(context_id="c", name="waits").unwrap()
    with service.reading() as db:
        for view in ("traces", "events", "metrics", "rejects"):
            described = [(name, kind) for name, kind, *_ in db.execute(f"DESCRIBE {view}").fetchall()]
            assert described == [(name, kind) for at, name, kind, _ in COLUMNS if at == view]


def test_any_duckdb_tool_reads_the_views(cli: Cli) -> None:
    """The store holds the views itself, with the status derived when it is read."""
    import duckdb

    cli.ok("create", "over", "--trace-id", "t", "--timeout", "1us")
    cli.ok("flush")
    with duckdb.connect(str(cli.db), read_only=True) as db:
        assert db.execute("SELECT trace_id, status FROM traces").fetchall() == [("t", "expired")]
        assert db.execute("SELECT count(*) FROM events, metrics, rejects").fetchall() == [(0,)]


def test_sql_answers(sample_store: Cli) -> None:
    """A question sees what the views have; `--param` binds numbers and booleans as such."""
    counted = json.loads(sample_store.ok("sql", "SELECT count(*) AS n FROM events", "--json"))
    assert counted == [{"n": json.loads(sample_store.ok("info", "--json"))["events"]}]
    done = sample_store(
        *(
            "sql",
            "SELECT $a + 1 AS a, $b || '!' AS b, $c AS c -- why\n;",
            "--param",
            "a=1",
            "--param",
            "b=1=2",
        ),
        *("--param", "c=true", "--json"),
    )
    assert json.loads(done.stdout) == [{"a": 2, "b": "1=2!", "c": True}]
    assert sample_store("sql", "-", "--format", "csv", stdin="SELECT 1 AS one").stdout == "one\n1\n"
    done = sample_store("sql", "SELECT 1 WHERE false")
    assert (done.code, done.stdout, done.stderr) == (0, "", "no row\n")


REFUSED = (
    ("DELETE FROM events", "only SELECT is allowed"),
    ("CREATE TABLE x (a INT)", "only SELECT is allowed"),
    ("ATTACH 'other.duckdb'", "only SELECT is allowed"),
    ("COPY events TO 'out.csv'", "only SELECT is allowed"),
    ("SET memory_limit = '1TB'", "only SELECT is allowed"),
    ("SELECT 1; SELECT 2", "exactly one statement"),
    ("", "exactly one statement"),
    ("SELECT * FROM read_csv('/etc/passwd')", "disabled"),
    ("SELECT * FROM '/etc/passwd'", ""),
    ("SELECT content FROM read_text('/etc/hostname')", "disabled"),
    ("SELECT getenv('HOME')", ""),
    ("SELEC 1", "syntax error"),
    ("SELECT nothing FROM events", "nothing"),
    ("SELECT $a", "no value for $a"),
    ("SELECT 1) TO 'out.csv' --", "sql: "),
)


def test_sql_is_read_only_and_sees_nothing_else(cli: Cli) -> None:
    """What would write, reach outside the store or is no single question is one line and exit code 2."""
    cli.ok("create", "x")
    for query, said in REFUSED:
        done = cli("sql", query)
        assert (done.code, done.stdout) == (2, ""), query
        assert done.stderr.startswith("error: sql: "), query
        assert said in done.stderr.splitlines()[0], done.stderr
    assert sorted(path.name for path in cli.folder.iterdir() if "out" in path.name) == []
    assert cli("sql", "SELECT 1", "--param", "b=1").stderr.startswith(
        "error: sql: the query has no parameter $b"
    )


@pytest.mark.parametrize("name", ["answer", "order", 'with "quote"', "a.b"])
def test_sql_columns_of_any_name(sample_store: Cli, name: str) -> None:
    """A column may be called anything, also twice."""
    quoted = name.replace('"', '""')
    done = sample_store("sql", f'SELECT 1 AS "{quoted}", now() AS "{quoted}"', "--format", "jsonl")
    assert done.stdout.startswith("{" + json.dumps(name) + ':1,"')

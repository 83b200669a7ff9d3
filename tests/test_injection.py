"""Injection: SQL, paths and statements given as values stay values, and a query reaches nothing outside."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from mplp_trace_cli import TraceModuleOptions, initialize_trace_module
from mplp_trace_cli.analysis.sql import run_sql
from mplp_trace_cli.domain.errors import QueryFailed
from tests.conftest import Cli
from tests.test_bad_input import told
from tests.warm import run_all

PAYLOADS = (
    "' OR '1'='1",
    "'; DROP TABLE store.event_log; --",
    "') OR 1=1 --",
    '" OR ""="',
    "x' UNION SELECT * FROM read_csv('/etc/passwd') --",
    "$1 ? %s {} {0} :x",
    "\\'; --",
    "$.a'] OR true --",
    "/../a~1b",
    "*' OR 1=1 --",
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A store with two traces of two contexts, an event and a reject each; tests leave it as it is."""
    cli = Cli(tmp_path_factory.mktemp("injection"))
    lines = [
        {
            "kind": "trace",
            "trace_id": f"t{at}",
            "context_id": f"c{at}",
            "name": f"n{at}",
            "metadata": {"a": "x"},
        }
        for at in (1, 2)
    ]
    lines += [{"event_type": "x", "trace_id": f"t{at}", "data": {"a": "x"}} for at in (1, 2, 3, 4)]
    (done,) = run_all(cli, [["import", "-"]], stdin="\n".join(map(json.dumps, lines)).encode())
    assert done.code == 1
    return cli


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


TRACE_FILTERS = ("context", "execution", "tag", "name", "text", "meta=a", "meta")
EVENT_FILTERS = ("event-type", "source", "text", "data=a", "data")
REFUSED = (
    "type",
    "status",
    "since",
    "until",
    "min-duration",
    "max-duration",
    "sort",
    "page",
    "limit",
    "format",
)


def _option(name: str, payload: str) -> str:
    """`--meta=a=PAYLOAD` for a value, `--meta=PAYLOAD=x` for a key."""
    if name in ("meta", "data"):
        return f"--{name}={payload.replace('=', ':')}=x"
    return f"--{name}={payload}"


def test_a_value_of_a_filter_is_a_value(store: Cli) -> None:
    """No payload in any filter of query, events or export finds a row, or is a fault."""
    before = _digest(store.db)
    commands = []
    for at, payload in enumerate(PAYLOADS):
        trace = TRACE_FILTERS[at % len(TRACE_FILTERS)]
        event = EVENT_FILTERS[at % len(EVENT_FILTERS)]
        commands += [
            ["query", "--json", _option(trace, payload)],
            ["events", "--json", _option(event, payload)],
        ]
    for payload in PAYLOADS[:2]:
        commands += [
            ["query", "--json", *(_option(name, payload) for name in TRACE_FILTERS), "--has-errors"],
            ["events", "--json", *(_option(name, payload) for name in EVENT_FILTERS)],
        ]
    for words, done in zip(commands, run_all(store, commands), strict=True):
        assert (done.code, done.line) == (0, "[]"), (words, done.stderr)
    exports = [
        ["export", "-o", "-", "--format", "jsonl", _option(name, PAYLOADS[0])] for name in TRACE_FILTERS
    ]
    for done in run_all(store, exports):
        assert (done.code, done.stdout) == (0, ""), done.stderr
    assert _digest(store.db) == before


def test_a_payload_where_a_word_is_wanted_is_a_bad_word(store: Cli) -> None:
    """Closed lists, times, durations, numbers and sort fields refuse it in one line."""
    payload = "1; DROP TABLE store.event_log"
    commands = [["query", _option(name, payload)] for name in REFUSED]
    commands += [["events", _option(name, payload)] for name in ("level", "min-level", "sort")]
    commands += [["query", "--sort=name, (SELECT 1)"], ["query", "--sort=name:desc, seq"]]
    commands += [["export", "-o", "x", f"--{name}={payload}"] for name in ("format", "compression")]
    commands += [["export", "-o", "x.csv", f"--partition-by={payload}"], ["rejects", "show", payload]]
    commands += [["rejects", "clear", "1 OR 1=1"]]
    for words, done in zip(commands, run_all(store, commands), strict=True):
        assert (done.code, bool(told(done))) == (2, True), words


def test_a_payload_as_an_id_is_an_unknown_id(store: Cli) -> None:
    """show, events, export, record and the ends of traces look for exactly that id."""
    commands = [[command, payload] for payload in PAYLOADS[:5] for command in ("show", "complete")]
    commands += [["events", "--trace", PAYLOADS[0]], ["export", "-o", "x.jsonl", "--trace", PAYLOADS[1]]]
    commands += [["record", "x", "--trace", PAYLOADS[2]], ["show", "%"], ["show", "t_"], ["complete", "t%"]]
    for words, done in zip(commands, run_all(store, commands), strict=True):
        assert (done.code, "there is no trace" in told(done)) == (1, True), words
    assert not (store.folder / "x.jsonl").exists()


def test_a_parameter_of_sql_is_bound(store: Cli) -> None:
    """What `--param` says is compared, never parsed as SQL."""
    for payload in PAYLOADS:
        query = [
            "sql",
            "SELECT $p AS p, count(*) AS n FROM traces WHERE name = $p",
            "--param",
            f"p={payload}",
        ]
        (done,) = run_all(store, [[*query, "--json"]])
        assert json.loads(done.stdout) == [{"p": payload, "n": 0}]


OUTSIDE = [
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('{file}')",
    "SELECT * FROM read_json('{file}')",
    "SELECT * FROM read_parquet('*.parquet')",
    "SELECT * FROM glob('/etc/*')",
    "FROM '{file}'",
    "SELECT * FROM 'secret.csv'",
    "SELECT * FROM sniff_csv('{file}')",
    "SELECT * FROM duckdb_extensions() WHERE install_extension('httpfs')",
    "SELECT getenv('HOME')",
    "SELECT (SELECT content FROM read_text('{file}'))",
    "WITH x AS (SELECT * FROM read_text('{file}')) SELECT * FROM x",
    "SELECT 1) AS a, (SELECT content FROM read_text('{file}')",
    "SELECT * FROM query('COPY traces TO ''out.csv''')",
    "SELECT * FROM query('FROM read_text(''{file}'')')",
    "EXPLAIN ANALYZE SELECT * FROM read_text('{file}')",
]
"""Queries that would read or run something outside the store."""

WRITING = [
    "ATTACH '{file}' AS x",
    "DETACH store",
    "COPY traces TO 'out.csv'",
    "COPY (SELECT 1) TO 'out.parquet'",
    "COPY store.event_log FROM '{file}'",
    "EXPORT DATABASE 'out'",
    "IMPORT DATABASE 'out'",
    "INSTALL httpfs",
    "LOAD httpfs",
    "SET enable_external_access = true",
    "SET lock_configuration = false",
    "RESET lock_configuration",
    "PRAGMA database_list",
    "PRAGMA enable_external_access = true",
    "CALL duckdb_settings()",
    "INSERT INTO store.event_log SELECT * FROM store.event_log",
    "UPDATE store.trace_starts SET name = 'x'",
    "DELETE FROM store.event_log",
    "TRUNCATE store.event_log",
    "DROP TABLE store.event_log",
    "DROP VIEW traces",
    "ALTER TABLE store.event_log ADD COLUMN x INTEGER",
    "CREATE TABLE x (a INTEGER)",
    "CREATE VIEW x AS SELECT 1",
    "CREATE MACRO x() AS 1",
    "CREATE SECRET x (TYPE s3)",
    "USE store",
    "VACUUM",
    "CHECKPOINT store",
    "FORCE CHECKPOINT store",
    "BEGIN",
    "PREPARE x AS SELECT 1",
    "EXPLAIN ANALYZE DELETE FROM store.event_log",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO 'out.csv'",
    "EXPLAIN ANALYZE CREATE TABLE x (a INTEGER)",
    "WITH x AS (SELECT 1) DELETE FROM store.event_log",
    "SELECT 1; DROP TABLE store.event_log",
    "SELECT 1; SELECT 2",
    "SELECT 1) AS a; DROP TABLE store.event_log; --",
    "SELECT 1; --\nDELETE FROM store.event_log",
    "SELECT nextval('x')",
    "",
    ";",
    "-- nothing",
    "SELECT",
    "SELECT * FROM nosuch",
    "nonsense",
]
"""Statements that are no single question."""


def test_sql_reaches_nothing_outside_the_store_and_changes_nothing(store: Cli) -> None:
    """Files, extensions, settings, writes, several statements: each is refused, one after the other."""
    secret = store.folder / "secret.csv"
    secret.write_text("a\nthe secret\n")
    before, names = _digest(store.db), sorted(path.name for path in store.folder.iterdir())
    with initialize_trace_module(TraceModuleOptions(data_source=str(store.db))) as module:
        for query in [*OUTSIDE, *WRITING]:
            with (
                pytest.raises(QueryFailed, match=r"^sql: "),
                module.trace_management_service.reading() as db,
            ):
                rows = list(run_sql(db, query.replace("{file}", str(secret)), {}).rows)
                pytest.fail(f"{query} gave {rows}")
    assert _digest(store.db) == before
    assert sorted(path.name for path in store.folder.iterdir()) == names


def test_sql_refused_on_the_command_line_is_one_line(store: Cli) -> None:
    """2, a line and a hint, whatever way the query tries."""
    queries = [OUTSIDE[0], OUTSIDE[6].replace("{file}", "secret.csv"), *WRITING[:1], *WRITING[-12:]]
    for query, done in zip(queries, run_all(store, [["sql", "--", query] for query in queries]), strict=True):
        assert (done.code, told(done).startswith("error: sql: ")) == (2, True), query
        assert "\nhint: " in done.stderr


def test_sql_that_only_asks_is_answered(store: Cli) -> None:
    """Comments, a semicolon at the end, WITH, VALUES, quotes in names and views are no injection."""
    for query in (
        "SELECT count(*) AS n FROM traces;",
        "SELECT count(*) AS n FROM traces -- all of them",
        "/* ; */ WITH t AS (FROM traces) SELECT count(*) AS n FROM t ;",
        "SELECT count(*) AS n FROM (VALUES ('a;b'), ('--')) AS v",
        "FROM (SELECT count(*) AS n FROM events)",
    ):
        (done,) = run_all(store, [["sql", query, "--json"]])
        assert (done.code, json.loads(done.stdout)) == (0, [{"n": 2}]), (query, done.stderr)


def test_paths_with_quotes_and_spaces_are_paths(cli: Cli) -> None:
    """A store and an export may lie anywhere a file may lie; nothing else appears."""
    folder = cli.folder / 'it\'s a "folder"; -- %20 $x [é] *#'
    db = folder / "tra'ces; DROP TABLE x.duckdb"
    done = run_all(
        cli,
        [
            ["--db", db, "create", "t", "--trace-id", "t"],
            ["--db", db, "record", "x", "--trace", "t"],
            ["--db", db, "flush"],
            ["--db", db, "query", "--json"],
            ["--db", db, "export", "-o", folder / "o'u\"t? csv.csv"],
            ["--db", db, "export", "-o", folder / "o'u\"t? jsonl.jsonl"],
            ["--db", db, "export", "-o", folder / "o'u\"t? parquet.parquet"],
            ["--db", db, "export", "-o", folder / "fol'der", "--format", "parquet", "--include-events"],
            ["--db", db, "export", "-o", folder / "par'ts", "--format", "csv", "--partition-by", "day"],
            ["--db", db, "import", folder / "o'u\"t? jsonl.jsonl"],
            ["--db", db, "doctor"],
        ],
    )
    assert [one.code for one in done] == [0] * len(done), [one.stderr for one in done]
    assert [row["trace_id"] for row in json.loads(done[3].stdout)] == ["t"]
    assert [path.name for path in cli.folder.iterdir()] == [folder.name]
    assert {path.name.split(".")[0] for path in folder.iterdir()} == {
        "tra'ces; DROP TABLE x",
        "o'u\"t? csv",
        "o'u\"t? jsonl",
        "o'u\"t? parquet",
        "fol'der",
        "par'ts",
    }


def test_a_path_that_duckdb_would_misread_is_refused(cli: Cli) -> None:
    """DuckDB takes what follows a `?` in a path for options and would put its log elsewhere."""
    (done,) = run_all(cli, [["--db", cli.folder / "a?b" / "traces.duckdb", "create", "x"]])
    assert (done.code, "must have no ? in it" in told(done)) == (2, True)
    assert list(cli.folder.iterdir()) == []


def test_a_context_with_a_path_in_it_stays_inside_the_folder_of_the_export(cli: Cli) -> None:
    """`--partition-by context_id` makes folders of names that others chose, below its own folder only."""
    contexts = ["../../evil", "/etc/evil", "a/b=c", "..", ".", "it's", "x\0y", "é ü", "=1+1"]
    lines = [{"name": "n", "trace_id": f"t{at}", "context_id": text} for at, text in enumerate(contexts)]
    run_all(cli, [["import", "-"]], stdin="\n".join(map(json.dumps, lines)).encode())
    out = cli.folder / "out"
    (done,) = run_all(cli, [["export", "-o", out, "--format", "csv", "--partition-by", "context_id"]])
    assert done.code == 0, done.stderr
    assert {path.name for path in cli.folder.iterdir()} <= {
        "out",
        *(f"traces.duckdb{s}" for s in ("", ".inbox", ".lock")),
    }
    parts = sorted((out / "traces").iterdir())
    assert len(parts) == len(contexts)
    assert sum(path.read_text().count("\n") - 1 for path in out.rglob("*.csv")) == len(contexts)

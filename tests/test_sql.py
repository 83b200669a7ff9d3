"""`sql` at length: what may be asked and what not, how it is stopped, how much it takes, how types look."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from mplp_trace_cli.service import TraceManagementService
from tests.conftest import COMMAND, Cli
from tests.test_golden_formats import FORMATS, check


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """The command on a store with one trace."""
    made = Cli(tmp_path)
    made.ok("create", "x", "--trace-id", "t")
    made.ok("flush")
    return made


# -- what may be asked -----------------------------------------------------------------------------

ASKED = (
    ("DESCRIBE events", "column_name,"),
    ("SHOW TABLES", "name\nevents\n"),
    ("SUMMARIZE SELECT duration_ms FROM events", "column_name,"),
    ("PIVOT events ON level USING count(*) GROUP BY source", "source,critical,debug,error,info,warn\n"),
    ("SELECT * FROM (PIVOT events ON level IN ('warn') USING count(*) GROUP BY source)", "source,warn\n"),
    ("UNPIVOT (SELECT 1 AS a, 2 AS b) ON a, b", "name,value\na,1\nb,2\n"),
    ("VALUES (1, 'a'), (2, 'b')", "col0,col1\n1,a\n2,b\n"),
    ("FROM events SELECT count(*) AS n", "n\n5571\n"),
    ("WITH x AS (SELECT 1 AS a) FROM x", "a\n1\n"),
    ("(SELECT 1 AS a) UNION ALL SELECT 2 ORDER BY a", "a\n1\n2\n"),
    ("SELECT 'é;' AS \"ö;\"; -- the end", "ö;\né;\n"),
    ("EXPLAIN SELECT event_type FROM events", "plan\n"),
    ("explain analyze SELECT event_type FROM events;", "plan\n"),
    ("SELECT 'enable_logging(' AS query", "query\nenable_logging(\n"),
    ("SELECT count(*) AS n FROM store.event_log", "n\n5571\n"),
)


@pytest.mark.parametrize(("query", "begins"), ASKED)
def test_what_only_asks_is_answered(sample_store: Cli, query: str, begins: str) -> None:
    """Whatever it begins with."""
    done = sample_store("sql", query, "--format", "csv")
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.startswith(begins)


REFUSED = (
    "IMPORT DATABASE '{folder}'",
    "EXPORT DATABASE '{folder}/out'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{folder}/out'",
    "EXPLAIN ANALYZE DELETE FROM store.event_log",
    "EXPLAIN CREATE TABLE x (a INTEGER)",
    "EXPLAIN",
    "EXPLAIN SELECT 1; SELECT 2",
    "SELECT 1; PIVOT events ON level USING count(*)",
    "FROM enable_logging(storage = 'file', storage_path = '{folder}/out')",
    "FROM \"enable_profiling\"(format = 'json', save_location = '{folder}/out.json')",
    "FROM system.main.ENABLE_LOGGING (level = 'debug')",
    "SELECT * FROM query('FROM enable_logging()')",
    "SELECT write_log('x')",
    "FROM checkpoint('store')",
    "FROM read_duckdb('{folder}/other.duckdb', table_name = 'meta')",
    "SELECT * FROM 'https://example.org/x.csv'",
    "CREATE TYPE x AS ENUM ('a')",
    "CREATE SECRET (TYPE s3)",
    "USE store",
    "PRAGMA database_list",
    "CALL pragma_version()",
    "SET VARIABLE x = 1",
    "PREPARE x AS SELECT 1",
)


def test_what_acts_is_refused(cli: Cli) -> None:
    """In one line with a hint, and nothing lies beside the store that was not there."""
    before = sorted(path.name for path in cli.folder.iterdir())
    for query in REFUSED:
        done = cli("sql", query.replace("{folder}", str(cli.folder)))
        assert (done.code, done.stdout) == (2, ""), query
        said, hint = done.stderr.splitlines()
        assert said.startswith("error: sql: "), query
        assert hint.startswith("hint: "), query
    assert sorted(path.name for path in cli.folder.iterdir()) == before


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("FROM event", 'Did you mean "events"?'),
        ("SELECT levl FROM (SELECT level FROM events)", 'Candidate bindings: "level"'),
        (
            "SELECT e.levl FROM store.event_log AS e",
            'Candidate bindings: "level", "event_id", "event_type", "seq"',
        ),
        ("FROM foldz", "mplp-trace schema"),  # the nearest is a table behind the views
        ("FROM store.folds2", "mplp-trace schema"),
        ("SELECT lenth('x')", 'Did you mean "length"?'),
        ("SELECT traces.name FROM events", 'Candidate tables: "events"'),
        ("SELEC 1", "mplp-trace schema"),
    ],
)
def test_a_wrong_name_is_told_with_the_nearest(sample_store: Cli, query: str, hint: str) -> None:
    """As DuckDB knows it; where it knows none, what there is to ask."""
    done = sample_store("sql", query)
    assert (done.code, done.stdout, done.stderr.splitlines()[1:]) == (2, "", [f"hint: {hint}"])


def test_levels_compare_by_rank(sample_store: Cli) -> None:
    """As values of the type `level`, in comparisons, parameters and sorts."""
    count = "SELECT count(*) AS n FROM events WHERE "
    counts = [
        json.loads(sample_store.ok("sql", count + condition, "--param", "l=warn", "--json"))[0]["n"]
        for condition in (
            "level >= 'warn'::level AND $l IS NOT NULL",
            "level >= $l::level",
            "level IN ('warn', 'error', 'critical') AND $l IS NOT NULL",
        )
    ]
    assert counts == [320] * 3
    assert sample_store.ok("sql", "SELECT max(level) AS l FROM events", "--format", "csv") == "l\ncritical"


@pytest.mark.parametrize(
    ("given", "value", "kind"),
    [
        ("1", 1, "INTEGER"),
        ("-1.5", -1.5, "DOUBLE"),
        ("12345678901234567890123", 12345678901234567890123, "HUGEINT"),
        ("true", True, "BOOLEAN"),
        ("null", None, '"NULL"'),
        ('"1"', "1", "VARCHAR"),
        ('{"a": 1}', '{"a": 1}', "VARCHAR"),
        ("[1", "[1", "VARCHAR"),
        ("1=2", "1=2", "VARCHAR"),
        ("", "", "VARCHAR"),
    ],
)
def test_parameters_have_types(cli: Cli, given: str, value: object, kind: str) -> None:
    """What is a number, true, false, null or a text as JSON is that; anything else is a text."""
    done = cli("sql", "SELECT $p AS p, typeof($p) AS kind", "--param", f"p={given}", "--json")
    assert json.loads(done.stdout) == [{"p": value, "kind": kind}]


def test_a_long_answer_is_a_page_for_people(cli: Cli) -> None:
    """50 rows of however many, at once; `--limit` for another number, in every format."""
    endless = "SELECT range AS n FROM range(100000000000)"
    done = cli("sql", endless)
    assert len(done.stdout.splitlines()) == 52
    assert done.stderr == "50 rows shown, there are more (--limit)\n"
    done = cli("sql", endless, "--limit", "1", "--format", "csv")
    assert (done.stdout, done.stderr) == ("n\n0\n", "1 row shown, there are more (--limit)\n")
    assert cli("sql", "FROM range(50)").stderr == ""


HARD_TYPES = """
    SELECT 340282366920938463463374607431768211455::UHUGEINT AS huge, 1.50::DECIMAL(38, 10) AS exact,
        'NaN'::DOUBLE AS nan, '-inf'::FLOAT AS inf, 0.1::FLOAT AS short, 'warn'::level AS level,
        DATE '2026-03-02' AS day, DATE 'infinity' AS never, TIME '12:34:56.789' AS clock,
        INTERVAL '1 month 2 days 3 hours' AS span, '\\x00"a'::BLOB AS bytes,
        '770d6e92-1ee8-4fcc-b070-1e4cc11dca23'::UUID AS id,
        {'a': 1, 'b': {'c': [TIMESTAMPTZ '2026-03-02 09:00:00Z']}} AS nested,
        [1.5, NULL, 'NaN'::DOUBLE, 'inf'::DOUBLE] AS list, ['NaN, "quoted"'] AS texts,
        array_value(1, 2) AS pair,
        MAP {'k': [1]} AS map, union_value(n := 1) AS either, '{"a":  1.10}'::JSON AS json,
        TIMESTAMP_NS '2026-03-02 09:00:00.123456789' AS nanos, TIMESTAMP_S '2026-03-02 09:00:00' AS seconds,
        TIMESTAMPTZ '2026-03-02 09:00:00.5+02' AS zoned, 'infinity'::TIMESTAMPTZ AS always,
        '0044-03-15 (BC) 00:00:00'::TIMESTAMP AS ides, true AS yes, NULL AS nothing, '' AS empty,
        1 AS twice, 2 AS twice, 'a|b' AS "name ""q"" | [x]"
"""


@pytest.mark.parametrize("format_name", FORMATS)
def test_every_type_in_every_format(cli: Cli, format_name: str) -> None:
    """Exact for programs, valid JSON also where numbers are none, each name once."""
    done = cli("sql", HARD_TYPES, "--format", format_name)
    assert (done.code, done.stderr) == (0, "")
    check(f"sql_types.{format_name}", done.raw)
    if format_name == "jsonl":
        pairs = json.loads(done.stdout, object_pairs_hook=list, parse_constant=pytest.fail)
        assert len({name for name, _ in pairs}) == len(pairs)


def test_beside_what_is_no_number_every_other_value_keeps_its_digits(cli: Cli) -> None:
    """Also an integer of more digits than Python reads; text that only says NaN stays."""
    query = "SELECT {'a': '-inf'::DOUBLE, 'b': repeat('9', 5000)::BIGNUM, 'c': 'NaN \"NaN\" \\\\'} AS x"
    done = cli("sql", query, "--format", "jsonl")
    assert (done.code, done.stderr) == (0, "")
    assert done.line == '{"x":{"a":null,"b":' + "9" * 5_000 + r',"c":"NaN \"NaN\" \\\\"}}'


# -- how it is stopped -----------------------------------------------------------------------------

LONG = (
    "SELECT count(*) FROM range(100000000000) AS a, range(10) AS b",
    "SELECT range FROM range(100000000000) WHERE range % 1000000007 = 7",
    "FROM range(1000000000) ORDER BY hash(range)",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
    "SELECT length(repeat(chr(120), 2000000000))",
)
"""Scans, joins, sorts, recursion, and one call that heeds no interrupt."""
STOPPED_SECONDS = 10
"""It takes a fraction of a second; a busy machine is no fault."""


def at_work(process: subprocess.Popen[bytes]) -> None:
    """Waits until the command has worked for a while."""
    watched = psutil.Process(process.pid)
    while process.poll() is None and sum(watched.cpu_times()[:2]) < 0.8:
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("query", LONG)
def test_a_signal_ends_a_query(cli: Cli, query: str, number: signal.Signals) -> None:
    """At once, with 130 or 143 and without a word; nothing is left behind, and the store is free."""
    process = cli.start("sql", query, "--format", "csv")
    at_work(process)
    process.send_signal(number)
    _, said = process.communicate(timeout=STOPPED_SECONDS)
    assert (process.returncode, said) == (128 + number, b"")
    cli.ok("record", "y", "--trace", "t")
    cli.ok("flush")
    assert [path.name for path in cli.folder.iterdir() if ".tmp" in path.name] == []


def test_ctrl_c_ends_a_query_on_a_terminal(cli: Cli) -> None:
    """As typed."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(  # the first terminal that the leader of a session opens is the one it obeys
        ["sh", "-c", 'exec "$@" <"$TERMINAL" >"$TERMINAL" 2>&1', "sh", *COMMAND, "sql", LONG[0]],
        env=cli.environment({"TERMINAL": os.ttyname(theirs)}),
        start_new_session=True,
    )
    at_work(process)
    os.write(ours, b"\x03")
    assert process.wait(STOPPED_SECONDS) == 130
    os.close(ours)
    os.close(theirs)


def test_a_reader_that_leaves_ends_a_query(cli: Cli) -> None:
    """141, as for every closed pipe."""
    with cli.start("sql", "FROM range(100000000000)", "--format", "csv") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"range\n"
        process.stdout.close()
        assert process.wait(STOPPED_SECONDS) == 141
        assert process.stderr.read() == b""


def test_duckdb_shows_no_progress_of_its_own(cli: Cli) -> None:
    """It would write it between the lines of the answer: it takes `python -c`, as tests run, for a person."""
    query = "SELECT current_setting('enable_progress_bar') AS shown"
    cli.ok("create", "n")
    assert cli.ok("sql", query, "--json") == '[{"shown":false}]'


# -- how much it takes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT len(list(range)) FROM range(100000000)", "error: sql: Out of Memory Error: "),
        (
            "SELECT length(repeat(chr(120), 4000000000))",
            "error: sql: out of memory: the answer takes more than 1.3 GB",
        ),
    ],
)
def test_too_much_memory_is_an_error(cli: Cli, query: str, said: str) -> None:
    """Of what DuckDB counts, and of what it does not."""
    done = cli("sql", query)
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.startswith(said)
    assert "\nhint: " in done.stderr


WIDE = "SELECT repeat('x', 200000) AS s FROM range(20000)"


def test_wide_rows_come_as_far_as_they_are_asked_for(cli: Cli) -> None:
    """4 GB of rows: the first few are an ordinary answer, and whoever reads gets the first at once."""
    done = cli("sql", WIDE, "--limit", "3", "--format", "csv")
    assert (done.code, done.stderr) == (0, "3 rows shown, there are more (--limit)\n")
    assert [len(line) for line in done.stdout.splitlines()] == [1, 200_000, 200_000, 200_000]
    assert cli("sql", "SELECT 1", "--limit", str(sys.maxsize), "--json").code == 0
    with cli.start("sql", WIDE, "--format", "csv") as process:
        assert process.stdout is not None
        assert (process.stdout.readline(), len(process.stdout.readline())) == (b"s\n", 200_001)
        process.stdout.close()
        assert process.wait(STOPPED_SECONDS) == 141


def test_large_sorts_at_once_do_not_meet(cli: Cli) -> None:
    """Each spills into a folder of its own, which is gone afterwards; the answers are right."""
    (cli.folder / ".mplp-trace.toml").write_text('memory_limit = "64MB"\n')
    query = """
        SELECT count(*) AS n, count_if(hash(range + {0}) <> kept) AS wrong
        FROM (SELECT range, hash(range + {0}) AS kept, row_number() OVER (ORDER BY hash(range * {0})) AS at
              FROM range(4000000))"""
    started = [cli.start("sql", query.format(number), "--format", "csv") for number in (1, 2, 3)]
    for process in started:
        out, said = process.communicate(timeout=120)
        assert (process.returncode, out, said) == (0, b"n,wrong\n4000000,0\n", b"")
    assert [path.name for path in cli.folder.iterdir() if ".tmp" in path.name] == []


def test_a_query_leaves_half_of_the_disk(service: TraceManagementService) -> None:
    """What it may spill is bounded, so that recording goes on."""
    service.create_trace(context_id="c", name="n").unwrap()
    with service.reading() as db:
        row = db.execute("SELECT current_setting('max_temp_directory_size')").fetchone()
        assert row is not None
        number, unit = row[0].split()
    free = os.statvfs(service.paths.folder)
    size = float(number) * 1024 ** ("bytes", "KiB", "MiB", "GiB", "TiB").index(unit)
    assert size < free.f_bavail * free.f_frsize * 0.75


def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("pid", "age", "stays"),
    [(dead, 3_600, False), (dead, 0, True), (os.getpid, 3_600, True), (lambda: 1, 3_600, True)],
)
def test_what_killed_queries_spilled_is_swept(
    cli: Cli, pid: Callable[[], int], age: int, stays: bool
) -> None:
    """By the next fold, when the process is gone and its files have been idle."""
    left = Path(f"{cli.db}.tmp-{pid()}-0a1b2c3d")
    left.mkdir()
    (left / "duckdb_temp_storage_DEFAULT-0.tmp").write_bytes(b"x")
    for path in (left / "duckdb_temp_storage_DEFAULT-0.tmp", left):
        os.utime(path, (time.time() - age, time.time() - age))
    cli.ok("record", "y", "--trace", "t")
    cli.ok("flush")
    assert left.exists() is stays

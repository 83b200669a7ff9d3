"""Exports: every format and compression, whole or not at all, and back again with nothing lost."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import stat
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mplp_trace_cli import Level, TraceModuleOptions, TraceType, initialize_trace_module
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.interchange.exporting.targets import whole_folder
from mplp_trace_cli.service import TraceManagementService
from mplp_trace_cli.storage.paths import StorePaths
from tests.conftest import Cli, examples

HARD = Path(__file__).parent / "golden" / "every_hard_type.jsonl"
JOINED = "events JOIN traces USING (trace_id)"
TABLES = ("traces", "events", "metrics")


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The command on the store of hard types; tests only ask it."""
    made = Cli(tmp_path_factory.mktemp("hard"))
    made.ok("import", HARD)
    return made


def kept(cli: Cli) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in the store as plain values, in order of arrival."""
    with duckdb.connect(str(cli.db), read_only=True) as db:
        db.execute("SET TimeZone = 'UTC'")
        return {table: rows_of(db, f"(SELECT * EXCLUDE seq FROM {table} ORDER BY seq)") for table in TABLES}


def rows_of(db: duckdb.DuckDBPyConnection, source: str) -> list[tuple[Any, ...]]:
    """The rows of a query as plain values: instants in µs."""
    described = db.execute(f"DESCRIBE FROM {source}").fetchall()
    instants = [name for name, kind, *_ in described if kind == "TIMESTAMP WITH TIME ZONE"]
    replaced = ", ".join(f"epoch_us({name}) AS {name}" for name in instants)
    return db.execute(f"SELECT * REPLACE ({replaced}) FROM {source}").fetchall()


# -- parquet ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd", "snappy"])
def test_parquet_has_real_types(hard: Cli, tmp_path: Path, compression: str) -> None:
    """pyarrow and DuckDB read instants in UTC, numbers and lists as such, and the values of the store."""
    folder = tmp_path / "out.parquet"
    hard.ok("export", "-o", folder, "--include-events", "--include-metrics", "--compression", compression)
    stamp, text = pa.timestamp("us", tz="UTC"), pa.string()
    traces = pq.read_table(folder / "traces.parquet")
    assert {
        name: traces.schema.field(name).type for name in ("started_at", "completed_at", "expires_at")
    } == (dict.fromkeys(("started_at", "completed_at", "expires_at"), stamp))
    assert traces.schema.field("tags").type.value_type == text
    assert traces.schema.field("duration_ms").type == pa.float64()
    events = pq.read_table(folder / "events.parquet")
    assert (events.schema.field("timestamp").type, events.schema.field("data").type) == (stamp, text)
    assert events.column("timestamp").to_pylist()[0] == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert pq.read_table(folder / "metrics.parquet").schema.field("value").type == pa.float64()
    written = pq.ParquetFile(folder / "events.parquet").metadata.row_group(0).column(0).compression
    assert written.lower() == {"none": "uncompressed"}.get(compression, compression)
    with duckdb.connect() as db:
        for table, rows in kept(hard).items():
            assert rows_of(db, f"'{folder}/{table}.parquet'") == rows, table


# -- csv -------------------------------------------------------------------------------------------


def test_csv_is_exact(hard: Cli, tmp_path: Path) -> None:
    """Any reader gets every value back to the letter, in plain, gzip and zstd."""
    hard.ok("export", "-o", tmp_path / "plain.csv", "--include-events", "--include-metrics")
    hard.ok("export", "-o", tmp_path / "packed.csv.gz", "--include-events", "--include-metrics")
    for table, rows in kept(hard).items():
        raw = (tmp_path / "plain.csv" / f"{table}.csv").read_bytes().decode()
        packed = gzip.decompress((tmp_path / "packed.csv.gz" / f"{table}.csv.gz").read_bytes())
        assert packed.decode() == raw
        _header, *cells = csv.reader(io.StringIO(raw, newline=""))
        assert len(cells) == len(rows)
        for row, line in zip(rows, cells, strict=True):
            texts = [value for value in row if isinstance(value, str)]
            assert [cell for cell in line if cell in texts or cell == ""].count("") >= texts.count("")
            assert set(texts) <= set(line)
    lone = hard("export", "-o", "-", "--format", "csv").raw
    assert lone == (tmp_path / "plain.csv" / "traces.csv").read_bytes()


@pytest.mark.parametrize("name", ["a.json", "a.chrome.json", "a.mplp.json", "a.otlp.json", "a.jsonl"])
def test_traces_that_an_import_made(cli: Cli, name: str) -> None:
    """Several that one file named and nobody told of come back, each with its own events, in their order."""
    events = [{"event_type": f"e{at}", "trace_id": trace_id} for at, trace_id in enumerate("bbac")]
    lines = "\n".join(map(json.dumps, events))
    cli.ok("import", "-", "--create-missing", stdin=lines)
    cli.ok("export", "-o", name)
    other = Cli(cli.folder / "other")
    other.folder.mkdir()
    other.ok("import", cli.folder / name)
    assert kept(other) == kept(cli)
    assert [trace_id for trace_id, *_ in kept(other)["traces"]] == ["b", "a", "c"]


def test_csv_safe(cli: Cli) -> None:
    """`--csv-safe` puts a quote before each text that a spreadsheet would run, and leaves all else."""
    cli.ok("create", "x", "--trace-id", "t")
    texts = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "'=1", "plain", "", "1=1"]
    lines = "\n".join(json.dumps({"event_type": "e", "message": text, "duration_ms": 1}) for text in texts)
    cli.ok("record", "-", "--trace", "t", stdin=lines)
    done = cli("export", "-o", cli.folder / "out.csv", "--include-events", "--csv-safe")
    assert done.stderr.startswith("csv is not exact: --csv-safe put a ' before 6 cells\n")
    assert "exact" not in cli("export", "-o", "-", "--format", "csv", "--csv-safe").stderr
    raw = (cli.folder / "out.csv" / "events.csv").read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(raw, newline="")))
    assert [row["message"] for row in rows] == [
        f"'{text}" if text[:1] in tuple("=+-@\t\r") else text for text in texts
    ]
    assert {row["duration_ms"] for row in rows} == {"1.0"}


# -- folders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_name", ["csv", "parquet"])
@pytest.mark.parametrize("key", ["day", "month", "context_id"])
def test_partitions(sample_store: Cli, tmp_path: Path, format_name: str, key: str) -> None:
    """Folders by day, month or context hold every row once, each in its own."""
    folder = tmp_path / "parts"
    sample_store.ok(
        "export", "-o", folder, "--format", format_name, "--include-events", "--partition-by", key
    )
    read = {
        "csv": "read_csv('{}/**/*.csv', all_varchar = true)",
        "parquet": "read_parquet('{}/**/*.parquet')",
    }
    with duckdb.connect() as db, duckdb.connect(str(sample_store.db), read_only=True) as store:
        for table, moment in (("traces", "started_at"), ("events", "timestamp")):
            source = read[format_name].format(folder / table)
            ids = f"SELECT {table[:-1]}_id FROM {{}} ORDER BY ALL"
            assert db.execute(ids.format(source)).fetchall() == store.execute(ids.format(table)).fetchall()
            parts = sorted(path.name for path in (folder / table).iterdir())
            stamp = f"strftime({moment} AT TIME ZONE 'UTC', '%Y-%m-%d')"
            wanted = {"day": stamp, "month": f"left({stamp}, 7)", "context_id": "context_id"}[key]
            joined = "traces" if table == "traces" else JOINED
            found = store.execute(f"SELECT DISTINCT {wanted} FROM {joined} ORDER BY ALL").fetchall()
            assert [part.split("=")[1] for part in parts] == [name for (name,) in found]


def test_partitions_of_any_context(cli: Cli) -> None:
    """A context may be called anything: no row is lost, none leaves the folder."""
    names = ["../../up", "a/b", "a=b", "", "%2F", "é ", ".", "NULL", "x" * 200]
    lines = [
        json.dumps({"name": "n", "trace_id": f"t{at}", "context_id": name})
        for at, name in enumerate(names)
        if name
    ]
    cli.ok("import", "-", stdin="\n".join(lines))
    cli.ok("export", "-o", cli.folder / "out", *PARTS)
    assert len(list((cli.folder / "out" / "traces").iterdir())) == len(lines)
    with duckdb.connect() as db:
        found = db.execute(
            f"SELECT context_id FROM read_parquet('{cli.folder}/out/**/*.parquet', hive_partitioning = false)"
        )
        assert sorted(name for (name,) in found.fetchall()) == sorted(filter(None, names))
    assert sorted(
        path.name for path in cli.folder.iterdir() if not path.name.startswith("traces.duckdb")
    ) == ["out"]


PARTS = ("--format", "parquet", "--partition-by", "context_id")


# -- whole or not at all ---------------------------------------------------------------------------


def test_files_and_folders_are_replaced_whole(hard: Cli, tmp_path: Path) -> None:
    """An export replaces an earlier one, leaves no draft, and refuses a folder that is not its own."""
    file, folder, mine = tmp_path / "out.jsonl", tmp_path / "out.csv", tmp_path / "mine.csv"
    file.write_text("before")
    for _ in range(2):
        hard.ok("export", "-o", file)
        hard.ok("export", "-o", folder, "--include-events", "--include-metrics")
    hard.ok("export", "-o", folder, "--include-events")
    assert sorted(path.name for path in folder.iterdir()) == ["events.csv", "traces.csv"]
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    done = hard("export", "-o", mine, "--include-events")
    assert (done.code, done.stderr.splitlines()[0]) == (
        2,
        f"error: {mine} is there already and was not made by an export",
    )
    assert hard("export", "-o", mine).code == 2
    assert [path.name for path in mine.iterdir()] == ["thesis.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.csv", "out.csv", "out.jsonl"]


def test_a_folder_that_is_being_written_is_no_neighbour(tmp_path: Path) -> None:
    """Who reads `*/events.parquet` gets nothing unfinished, though a `*` may match a leading dot."""
    lake, store = tmp_path / "lake", StorePaths(str(tmp_path / "traces.duckdb"))
    lake.mkdir()
    for turn in range(2):
        with whole_folder(str(lake / "2026-03-02"), 0o022, store) as draft:
            Path(draft, "events.parquet").write_text(str(turn))
            beside = [path for path in lake.glob("*/events.parquet") if path.parent.name != "2026-03-02"]
            assert beside == []
    assert [path.name for path in lake.iterdir()] == ["2026-03-02"]
    assert (lake / "2026-03-02" / "events.parquet").read_text() == "1"


def test_a_folder_with_the_name_of_a_file_is_said(sample_store: Cli, tmp_path: Path) -> None:
    """pandas reads such a folder without a word, traces and events mixed."""
    words = ("export", "-o", "all.parquet", "--include-events", "--status", "failed")
    said = sample_store(*words, cwd=tmp_path).stderr.splitlines()
    assert said[0] == "all.parquet is a folder, with events.parquet and traces.parquet in it"
    assert said[1].startswith("exported 23 traces, 589 events to all.parquet (")


def test_partitions_that_a_replacement_has_not_are_said(sample_store: Cli, tmp_path: Path) -> None:
    """Another day does not join the days that are there, it takes their place."""
    words = ("export", "-o", "lake", "--format", "parquet", "--include-events", "--partition-by", "day")
    first = sample_store(*words, cwd=tmp_path).stderr.splitlines()
    again = sample_store(*words, cwd=tmp_path).stderr.splitlines()
    less = sample_store(*words, "--since", "2026-03-06", cwd=tmp_path).stderr.splitlines()
    assert (len(first), len(again)) == (1, 1)
    assert less[0] == "lake was replaced: 4 partitions that the export before had, this one has not"
    assert [path.name for path in (tmp_path / "lake" / "traces").iterdir()] == ["day=2026-03-06"]


@pytest.mark.parametrize(
    "name",
    [
        "traces.duckdb",
        "events.txt",
        "metrics",
        "traces.csv/thesis.txt",
        "traces/thesis.txt",
        "traces/day=2026-03-02/thesis.txt",
        "traces/day=2026-03-02/data_0.csv/thesis.txt",
        "traces/data_0.csv",
        "traces.csv.bak",
    ],
)
def test_a_folder_with_anything_else_in_it_is_refused(hard: Cli, tmp_path: Path, name: str) -> None:
    """Names that only begin as those of an export do are somebody's own files."""
    folder = tmp_path / "mine"
    mine = folder / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    (folder / "events.csv").write_text("")
    done = hard("export", "-o", folder, "--format", "csv", "--include-events")
    assert (done.code, done.stderr.splitlines()) == (
        2,
        [
            f"error: {folder} is there already and was not made by an export",
            "hint: name a new folder with -o",
        ],
    )
    assert mine.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("packed", ["none", "gzip", "zstd"])
@pytest.mark.parametrize("format_name", ["csv", "parquet"])
def test_the_folder_of_an_export_with_partitions_is_replaced(
    hard: Cli, tmp_path: Path, format_name: str, packed: str
) -> None:
    """Whatever its partitions and compression were."""
    folder = tmp_path / "out"
    plain = ("export", "-o", folder, "--format", format_name, "--include-events", "--include-metrics")
    for key in ("day", "month", "context_id"):
        hard.ok(*plain, "--partition-by", key, "--compression", packed)
    hard.ok(*plain, "--compression", packed)
    hard.ok(*plain)
    names = [f"{table}.{format_name}" for table in sorted(TABLES)]
    assert sorted(path.name for path in folder.iterdir()) == names


@pytest.mark.parametrize(
    "words",
    [
        ("export", "--format", "jsonl", "-o"),
        ("export", "--format", "parquet", "-o"),
        ("export", "--format", "csv", "--include-events", "-o"),
        ("metrics", "export", "-o"),
        ("show", "--html"),
        ("dashboard", "--html"),
    ],
    ids=" ".join,
)
def test_no_output_replaces_the_store(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Neither its files, whether they are there or not, nor through a link."""
    kept = Cli(tmp_path / "kept")
    kept.folder.mkdir()
    kept.ok("create", "x")
    kept.ok("flush")
    before = files_of(kept.folder)
    link = tmp_path / "link"
    link.symlink_to(kept.db)
    for target in (kept.db, f"{kept.db}.inbox", f"{kept.db}.wal", link):
        done = kept(*words, target)
        assert (done.code, done.stdout, done.stderr.splitlines()) == (
            2,
            "",
            [
                f"error: {target} is of the store {kept.db}, which an output must not replace",
                "hint: name another file with -o or --html",
            ],
        )
    assert files_of(kept.folder) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "link"]


def files_of(folder: Path) -> dict[str, bytes]:
    """The names and bytes of the files in a folder, but for what SQLite keeps of its readers."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith("-shm")}


def test_no_output_replaces_what_holds_the_store(tmp_path: Path) -> None:
    """Its folder and the folders above; a second name of the store is the store."""
    kept = Cli(tmp_path / "a" / "b")
    kept.folder.mkdir(parents=True)
    kept.ok("create", "x")
    kept.ok("flush")
    second = tmp_path / "second.jsonl"
    os.link(kept.db, second)
    for target in (kept.folder, kept.folder.parent, second):
        for words in (("export", "--format", "csv", "--include-events", "-o"), ("show", "--html")):
            done = kept(*words, target)
            assert (done.code, done.stderr.count("\n")) == (2, 2)
            assert "an output must not replace" in done.stderr
    assert second.samefile(kept.db)


def test_the_files_of_a_store_are_known_by_their_names(tmp_path: Path) -> None:
    """Whether they are there or not, and by whatever path."""
    (tmp_path / "kept").mkdir()
    (tmp_path / "folder").symlink_to(tmp_path / "kept")
    store = StorePaths.at(tmp_path / "kept" / "traces.duckdb")
    for suffix in ("", ".inbox", ".inbox-wal", ".inbox-shm", ".inbox-journal", ".lock", ".wal", ".tmp-1-aa"):
        for folder in ("kept", "folder", "kept/../kept"):
            with pytest.raises(InvalidInput):
                store.check_output(f"{tmp_path}/{folder}/traces.duckdb{suffix}")
    for free in ("kept/traces.duckdb.csv", "kept/other.duckdb", "traces.duckdb", "kept/traces", "kep"):
        store.check_output(f"{tmp_path}/{free}")


def test_a_name_that_only_begins_like_the_store_is_free(hard: Cli, tmp_path: Path) -> None:
    """A backup beside the store is named like this."""
    target = Path(f"{hard.db}.jsonl.gz")
    hard.ok("export", "-o", target)
    assert target.is_file()
    target.unlink()


def test_of_a_link_the_file_it_leads_to_is_replaced(hard: Cli, tmp_path: Path) -> None:
    """The link stays, and the draft lies beside the file."""
    (tmp_path / "there").mkdir()
    for name, more in (("out.json", ()), ("out.csv", ()), ("out", ("--format", "csv", "--include-events"))):
        link, final = tmp_path / name, tmp_path / "there" / name
        link.symlink_to(final)
        for _ in range(2):
            hard.ok("export", "-o", link, *more)
            assert link.is_symlink()
            assert final.exists()
    assert len(list((tmp_path / "there").iterdir())) == 3


def test_a_failed_export_leaves_what_was_there(hard: Cli, tmp_path: Path) -> None:
    """Where the folder is missing or the filter is wrong nothing is touched and nothing is left."""
    file = tmp_path / "out.csv"
    file.write_text("before")
    for arguments in (("--status", "nonsense"), ("--trace", "nowhere"), ("--compression", "lz4")):
        assert hard("export", "-o", file, *arguments).code in (1, 2)
    done = hard("export", "-o", tmp_path / "no" / "out.csv")
    assert (done.code, done.stderr.count("\n")) == (2, 2)
    assert (file.read_text(), list(tmp_path.iterdir())) == ("before", [file])


def test_permissions(hard: Cli, tmp_path: Path) -> None:
    """An export has the permissions of the user's umask; the store's own files stay private."""
    cold = Cli(hard.folder, warm=False)  # a process that has this one's umask
    before = os.umask(0o027)
    try:
        cold.ok("export", "-o", tmp_path / "out.jsonl.gz")
        cold.ok("export", "-o", tmp_path / "out", "--format", "parquet", "--partition-by", "day")
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_dir()}
    assert (modes, folders) == ({0o640}, {0o750})
    assert stat.S_IMODE(hard.db.stat().st_mode) == 0o600


# -- what is asked for -----------------------------------------------------------------------------


@pytest.mark.parametrize("format_name", ["csv", "parquet"])
def test_nothing_there_and_back(hard: Cli, tmp_path: Path, format_name: str) -> None:
    """The folder of an export that found nothing has no file in it, and is read as what it is."""
    words = ("export", "-o", "out", "--format", format_name, "--partition-by", "day", "--name", "nowhere")
    assert hard(*words, cwd=tmp_path).stderr == "exported 0 traces to out (0 B)\n"
    done = hard("--db", tmp_path / "other.duckdb", "import", tmp_path / "out")
    assert (done.code, json.loads(done.stdout)["files"]) == (0, 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", "out.xlsx"], "its suffix tells no format"),
        (["-o", "out", "--format", "xml"], "'xml' is not one of json, jsonl, csv, parquet"),
        (["-o", "out.csv", "--compression", "snappy"], "snappy is for parquet"),
        (["-o", "out.jsonl", "--partition-by", "day"], "is for csv and parquet"),
        (["-o", "out.parquet", "--csv-safe"], "--csv-safe: is for csv"),
        (["-o", "out.csv", "--partition-by", "week"], "'week' is not one of day, month, context_id"),
        (["-o", "-", "--format", "csv", "--include-events"], "a folder cannot go to standard output"),
        ([], "-o/--output is missing"),
    ],
)
def test_what_does_not_fit_together(hard: Cli, arguments: list[str], said: str) -> None:
    """Is told in one line, before anything is written."""
    done = hard("export", *arguments)
    assert (done.code, done.stdout) == (2, "")
    assert said in done.stderr.splitlines()[0]


def test_filters_choose_traces_and_their_events(sample_store: Cli) -> None:
    """The filters of `query` hold; an event is exported with its trace."""
    done = sample_store("export", "-o", "-", "--format", "jsonl", "--status", "failed", "--has-errors")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    traces = {line["trace_id"] for line in lines if line["kind"] == "trace"}
    asked = json.loads(sample_store.ok("query", "--status", "failed", "--has-errors", "--json"))
    assert traces == {row["trace_id"] for row in asked}
    assert {line["trace_id"] for line in lines if line["kind"] == "event"} <= traces
    assert sum(line["kind"] == "event" for line in lines) == sum(row["event_count"] for row in asked)
    one = sample_store("export", "-o", "-", "--format", "json", "--trace", "@last", "--no-include-events")
    (trace,) = json.loads(one.stdout)
    assert "events" not in trace


# -- there and back --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.ndjson.zst", "out.json", "out.json.gz"])
def test_there_and_back(hard: Cli, tmp_path: Path, name: str) -> None:
    """An export imported into an empty store gives the same traces, events, metrics and order."""
    hard.ok("export", "-o", tmp_path / name, "--include-metrics")
    other = Cli(tmp_path)
    done = other("import", name)
    assert (done.code, json.loads(done.stdout)["rejected"]) == (0, 0)
    there, back = kept(hard), kept(other)
    if name.startswith("out.json") and "jsonl" not in name:  # events are nested in their traces
        for side in (there, back):
            side["events"].sort(key=lambda row: (row[1], row[6]))
    assert back == there


@pytest.mark.parametrize(
    ("format_name", "magic"), [("jsonl", b'{"kind"'), ("json", b"[\n"), ("parquet", b"PAR1")]
)
def test_standard_output(hard: Cli, format_name: str, magic: bytes) -> None:
    """`-o -` streams what a file would hold, compressed when that is asked."""
    raw = hard("export", "-o", "-", "--format", format_name).raw
    assert raw.startswith(magic)
    if format_name == "jsonl":
        packed = hard("export", "-o", "-", "--format", "jsonl", "--compression", "gzip").raw
        assert gzip.decompress(packed) == raw
        assert (
            pa.input_stream(
                pa.py_buffer(hard("export", "-o", "-", "--format", "jsonl", "--compression", "zstd").raw),
                compression="zstd",
            ).read()
            == raw
        )


texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ["\x00", "\u2028", "\x1b[31m", "=1", '"', "\\", "\n", "\r\n", "\ufeff", "🚀", "{}", "null"]
)
names = texts.filter(bool)
ids = st.sampled_from(["é", "a b", "'", '"', "x%s", "日本", "a,b", "\u2028x"])
data_texts = st.sampled_from(
    [
        "{}",
        '{"n":1.10,"e":1e2,"big":1180591620717411303424}',
        '{"z":1,"a":2,"z":3}',
        '{"lone":"\\ud800","nul":"\\u0000"}',
        '{ "spaced" :\t[ 1 , {"a":null} ] }',
        '{"raw":"\u2028é\x7f"}',
    ]
)
instants = st.integers(-62_135_596_800_000_000, 253_402_300_799_000_000) | st.integers(0, 3)


@st.composite
def stores(draw: st.DrawFn) -> Callable[[TraceManagementService], None]:
    """Something that fills an empty store through the library."""
    trace_ids = draw(st.lists(ids, min_size=1, max_size=4, unique=True))
    traces: list[dict[str, Any]] = [
        {
            "context_id": draw(names),
            "name": draw(names),
            "trace_type": draw(st.sampled_from(list(TraceType))),
            "execution_id": draw(st.none() | texts),
            "description": draw(st.none() | texts),
            "metadata": draw(data_texts),
            "tags": draw(st.lists(texts, max_size=3)),
            "trace_id": trace_id,
            "started_at": draw(instants),
            "timeout": draw(st.none() | st.sampled_from([0.001, 10.0])),
        }
        for trace_id in trace_ids
    ]
    events = [
        {
            "trace_id": draw(st.sampled_from(trace_ids)),
            "event_type": draw(names),
            "level": draw(st.sampled_from(list(Level))),
            "message": draw(st.none() | texts),
            "data": draw(data_texts),
            "timestamp": draw(instants),
            "duration_ms": draw(st.none() | st.floats(0, allow_nan=False, allow_infinity=False)),
            "parent_event_id": draw(st.none() | texts),
            "source": draw(st.none() | texts),
        }
        for _ in range(draw(st.integers(0, 6)))
    ]
    ends = {trace_id: draw(st.sampled_from(["complete", "fail", "cancel", None])) for trace_id in trace_ids}

    def fill(service: TraceManagementService) -> None:
        timeouts = {trace["trace_id"]: trace.pop("timeout", None) for trace in traces}
        for trace in traces:
            service.create_trace(trace).unwrap()
        service.record_events(events).unwrap()
        for trace_id, end in ends.items():
            if end:
                getattr(service, f"{end}_trace")(trace_id).unwrap()
        for trace_id, timeout in timeouts.items():
            if timeout is not None:
                service.create_trace(
                    context_id="c", name="expired", trace_id=f"{trace_id} over", timeout=timeout, started_at=0
                ).unwrap()

    return fill


@settings(
    max_examples=examples(5),
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(fill=stores())
def test_any_store_there_and_back(fill: Callable[[TraceManagementService], None]) -> None:
    """Whatever the library recorded comes back from JSON lines as it was, byte for byte."""
    with tempfile.TemporaryDirectory() as folder:
        there, back = Cli(Path(folder, "there")), Cli(Path(folder, "back"))
        path = str(Path(folder, "out.jsonl"))
        with initialize_trace_module(TraceModuleOptions(data_source=str(there.db))) as module:
            fill(module.trace_management_service)
            module.trace_management_service.export_traces(destination=path).unwrap()
        with initialize_trace_module(TraceModuleOptions(data_source=str(back.db))) as module:
            report = module.trace_management_service.import_files(files=[path]).unwrap()
            again = str(Path(folder, "again.jsonl"))
            module.trace_management_service.export_traces(destination=again).unwrap()
        assert report.counts.rejected == report.counts.repeated == 0
        assert kept(back) == kept(there)
        assert Path(again).read_bytes() == Path(path).read_bytes()

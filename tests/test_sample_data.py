"""The sample data: made by the generator beside it, and what its README says of it is true."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.conftest import SAMPLE_DATA, Cli

README = (SAMPLE_DATA / "README.md").read_text(encoding="utf-8")


def table_row(name: str) -> str:
    """The second cell of the README's row that begins with that name."""
    match = re.search(rf"^\| {re.escape(name)} \| (.*) \|$", README, re.MULTILINE)
    assert match, name
    return match[1]


def counts_in(text: str) -> dict[str, int]:
    """`info 4,609, debug 642` as a mapping."""
    return {word: int(count.replace(",", "")) for word, count in re.findall(r"([\w-]+) ([\d,]*\d)", text)}


def counted(store: Cli, query: str) -> dict[str, int]:
    """The rows of a query of a word and a count."""
    rows = (line.rsplit(",", 1) for line in store.ok("sql", query, "--format", "csv").splitlines()[1:])
    return {word: int(count) for word, count in rows}


def test_both_files_are_what_the_generator_makes() -> None:
    """The generator finds no difference to the files on disk."""
    done = subprocess.run(
        [sys.executable, SAMPLE_DATA / "generate.py", "--check"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_counts_of_the_readme_are_those_of_the_store(sample_store: Cli) -> None:
    """Contexts, types, statuses, levels, sources, and traces with errors, counted in SQL."""
    for name, column, view in (
        ("context", "context_id", "traces"),
        ("trace type", "trace_type", "traces"),
        ("level", "level", "events"),
        ("source", "source", "events"),
    ):
        found = counted(sample_store, f"SELECT {column}, count(*) FROM {view} GROUP BY 1")
        assert found == counts_in(table_row(name)), name
    totals = counted(
        sample_store,
        "SELECT 'traces', count(*) FROM traces UNION ALL SELECT 'events', count(*) FROM events "
        "UNION ALL SELECT 'with errors', count(*) FROM traces SEMI JOIN "
        "(SELECT trace_id FROM events WHERE level IN ('error', 'critical') "
        "UNION SELECT trace_id FROM traces WHERE status = 'failed') USING (trace_id)",
    )
    assert f"{totals['traces']:,} traces and {totals['events']:,} events" in README
    assert f"{totals['with errors']} traces have errors" in README


def test_statuses_are_as_written_and_as_asked(sample_store: Cli) -> None:
    """Active traces past their time are expired when the store is asked."""
    asked = counted(sample_store, "SELECT status, count(*) FROM traces GROUP BY 1")
    written = counts_in(table_row("status, as written"))
    changed = counts_in(table_row("status, as asked").partition(": ")[2])
    assert asked == {**written, **changed}


def test_the_traces_worth_a_look_are_there(sample_store: Cli) -> None:
    """Every trace that the README names can be found by its id."""
    named = set(re.findall(r"`((?:checkout|onboarding|nightly|snapshot)-[\w-]+)`", README))
    wanted = ",".join(f"('{one}')" for one in sorted(named))
    missing = sample_store.ok(
        "sql", f"SELECT id FROM (VALUES {wanted}) AS named(id) ANTI JOIN traces ON id = trace_id", "--json"
    )
    assert len(named) >= 6
    assert missing == "[]"


def test_bad_lines_are_rejected_as_listed(cli: Cli) -> None:
    """Four lines are taken, the listed ones rejected, and the exit code is 1."""
    done = cli("import", SAMPLE_DATA / "bad-lines.jsonl")
    listed = [int(line) for line in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)]
    found = cli.ok("sql", "SELECT line FROM rejects ORDER BY line", "--format", "csv").split()[1:]
    assert done.code == 1
    assert [int(line) for line in found] == listed
    assert "1 trace, 12 rejected" in done.stderr

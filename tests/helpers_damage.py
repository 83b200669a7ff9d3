"""A store worth saving, and what may become of its files, by a seed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb

from tests.conftest import Cli
from tests.helpers_storage import service_at

EVENTS = 130_000
"""More than one row group of DuckDB, which has 122,880 rows."""
WAITING = 300
BLOCK = 262_144
HEADERS = 3 * 4_096
STORE, INBOX = "traces.duckdb", "traces.duckdb.inbox"


def make_store(folder: Path, events: int = EVENTS) -> None:
    """A store with an open and an ended trace, loaded and folded events of some width, and some that wait."""
    chosen = random.Random(1)
    lines = [
        json.dumps(
            {
                "trace_id": "t",
                "event_type": f"e{n % 7}",
                "event_id": f"a{n}",
                "data": {"n": n, "text": chosen.randbytes(20).hex()},
            }
        )
        for n in range(events)
    ]
    (folder / "lines.jsonl").write_text("\n".join([*lines, "bad"]))
    with service_at(folder / STORE) as service:
        service.create_trace(context_id="c", name="open", trace_id="t").unwrap()
        service.create_trace(context_id="c", name="ended", trace_id="d", tags=("x", "y")).unwrap()
        service.complete_trace("d").unwrap()
        service.import_files(files=[str(folder / "lines.jsonl")]).unwrap()
        service.record_events(_rows("b", WAITING)).unwrap()
        service.flush().unwrap()
        service.create_trace(context_id="c", name="waits", trace_id="w").unwrap()
        service.record_events(_rows("c", WAITING)).unwrap()
    (folder / "lines.jsonl").unlink()


def _rows(prefix: str, count: int) -> list[dict[str, object]]:
    return [
        {"trace_id": "t", "event_type": "e", "event_id": f"{prefix}{n}", "data": {"n": n}}
        for n in range(count)
    ]


def all_ids(events: int = EVENTS) -> set[str]:
    """The ids of its events."""
    few = {f"{prefix}{n}" for prefix in "bc" for n in range(WAITING)}
    return few | {f"a{n}" for n in range(events)}


def digests(folder: Path) -> dict[str, str]:
    """What the files of the store are, byte for byte; for when no process of the test has them open."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob(f"{STORE}*"))
        if path.is_file() and not path.name.endswith((".lock", "-shm"))
    }


def overwrite(path: Path, at: int, content: bytes) -> None:
    """Writes bytes over those that are there."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def flip(path: Path, at: int) -> None:
    """Turns the bits of one byte."""
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 0xFF]))


def _size(path: Path) -> int:
    return path.stat().st_size


def _bytes_of_blocks(folder: Path, chosen: random.Random) -> None:
    for _ in range(chosen.randint(1, 4)):
        flip(folder / STORE, chosen.randrange(HEADERS, _size(folder / STORE)))


def _zero_block(folder: Path, chosen: random.Random) -> None:
    blocks = (_size(folder / STORE) - HEADERS) // BLOCK
    overwrite(folder / STORE, HEADERS + chosen.randrange(blocks) * BLOCK, bytes(BLOCK))


def _swap_blocks(folder: Path, chosen: random.Random) -> None:
    blocks = (_size(folder / STORE) - HEADERS) // BLOCK
    first, second = (HEADERS + one * BLOCK for one in chosen.sample(range(blocks), 2))
    content = (folder / STORE).read_bytes()
    overwrite(folder / STORE, first, content[second : second + BLOCK])
    overwrite(folder / STORE, second, content[first : first + BLOCK])


def _cut_store(folder: Path, chosen: random.Random) -> None:
    os.truncate(folder / STORE, chosen.randrange(_size(folder / STORE)))


def _header(folder: Path, chosen: random.Random) -> None:
    # DuckDB pads its headers with zeros, which it checks too.
    flip(folder / STORE, chosen.choice([0, 4_096, 8_192]) + chosen.randrange(120))


def _noise_as_headers(folder: Path, chosen: random.Random) -> None:
    overwrite(folder / STORE, 0, chosen.randbytes(HEADERS))


def _no_store(folder: Path, _: random.Random) -> None:
    (folder / STORE).unlink()


def _no_inbox(folder: Path, _: random.Random) -> None:
    for path in folder.glob(f"{INBOX}*"):
        path.unlink()


def _bytes_of_inbox(folder: Path, chosen: random.Random) -> None:
    for _ in range(chosen.randint(1, 4)):
        flip(folder / INBOX, chosen.randrange(_size(folder / INBOX)))


def _page_of_inbox(folder: Path, chosen: random.Random) -> None:
    page = chosen.randrange(1, _size(folder / INBOX) // 4_096)
    overwrite(folder / INBOX, page * 4_096, chosen.choice([bytes(4_096), chosen.randbytes(4_096)]))


def _cut_inbox(folder: Path, chosen: random.Random) -> None:
    os.truncate(folder / INBOX, chosen.randrange(_size(folder / INBOX)))


def _noise_beside(folder: Path, chosen: random.Random) -> None:
    name = chosen.choice([f"{STORE}.wal", f"{INBOX}-wal"])
    (folder / name).write_bytes(chosen.randbytes(chosen.randrange(1, 9_000)))


def _empty(folder: Path, chosen: random.Random) -> None:
    (folder / chosen.choice([STORE, INBOX])).write_bytes(b"")


DAMAGES: dict[str, Callable[[Path, random.Random], None]] = {
    "bytes": _bytes_of_blocks,
    "zeroed block": _zero_block,
    "swapped blocks": _swap_blocks,
    "cut store": _cut_store,
    "header": _header,
    "noise as headers": _noise_as_headers,
    "no store": _no_store,
    "no inbox": _no_inbox,
    "bytes of the inbox": _bytes_of_inbox,
    "page of the inbox": _page_of_inbox,
    "cut inbox": _cut_inbox,
    "noise beside": _noise_beside,
    "empty file": _empty,
}


def readable_ids(db: Path) -> set[str]:
    """The ids of the events that DuckDB can read, whole rows, one vector after the other."""
    found: set[str] = set()
    with duckdb.connect(str(db), read_only=True) as opened:
        (last,) = opened.execute("SELECT max(rowid) FROM event_log").fetchone() or (0,)
        for first in range(0, last + 1, 2_048):
            query = "SELECT event_id, hash(e) FROM event_log AS e WHERE rowid BETWEEN ? AND ?"
            with contextlib.suppress(duckdb.IOException):
                rows = opened.execute(query, [first, first + 2_047]).fetchall()
                found.update(event_id for event_id, _ in rows)
    return found


def check_damage(template: Path, folder: Path, name: str, seed: int) -> None:
    """Doctor and its repair of one damage: no traceback, nothing changed, nothing twice, nothing made up."""
    chosen = random.Random(f"{name} {seed}")
    shutil.copytree(template, folder)
    DAMAGES[name](folder, chosen)
    before = digests(folder)
    cli = Cli(folder)
    done = cli("doctor")
    assert done.code in (0, 1), done.stderr
    assert done.stderr == ""
    assert digests(folder) == before
    done = cli("doctor", "--repair", "--to", "new.duckdb", "--json")
    assert done.code in (0, 1, 2), done.stderr
    assert "Traceback" not in done.stderr
    assert digests(folder) == before
    if done.code == 2:
        assert done.stderr.startswith("error: nothing could be saved: ")
        assert not list(folder.glob("new.duckdb*"))
        return
    new = Cli(folder, {"MPLP_TRACE_DB": str(folder / "new.duckdb")})
    _check_new(new, json.loads(done.stdout), 4 if name == "bytes of the inbox" else 0)


def _check_new(new: Cli, report: dict[str, object], changed: int) -> None:
    """`changed` is how many bytes of the inbox may be others: SQLite has no checksums, and an id is text."""
    states = {row["check"]: (row["state"], row["detail"]) for row in json.loads(new.ok("doctor", "--json"))}
    assert "fault" not in {state for state, _ in states.values()}, states
    rows = json.loads(new.ok("sql", "SELECT event_id, count(*) AS n FROM events GROUP BY ALL", "--json"))
    assert {row["n"] for row in rows} <= {1}
    found, wanted = {row["event_id"] for row in rows}, all_ids()
    assert len(found - wanted) <= changed
    if report["whole"]:
        assert len(wanted - found) <= changed
    opened = new("record", "again", "--trace", "t")
    begun = json.loads(new.ok("sql", "SELECT trace_id FROM traces", "--json"))
    assert opened.code == (0 if {"trace_id": "t"} in begun else 1), opened.stderr

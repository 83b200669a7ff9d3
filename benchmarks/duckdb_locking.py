"""Do processes that take turns with one DuckDB file lose rows? The reason for the bound `duckdb <2`.

Each process opens the file, inserts one row, closes it, and tries again while another has it. What was
inserted without an error is counted, and then what is in the file. The day a later DuckDB loses nothing
here, the bound can move.

    python benchmarks/duckdb_locking.py
    python benchmarks/duckdb_locking.py --python OTHER/bin/python   the same with the DuckDB of that one too
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RETRY_SECONDS = 0.02
"""At most so long, by chance, so that those who wait do not come back together."""
HELD = "Could not set lock on file"


def main() -> int:
    """Runs the experiment; 1 when rows were lost."""
    options = _options()
    lost = 0
    for python in dict.fromkeys([sys.executable, *options.python]):
        version = _ask(python, "--version-only")
        for number in range(1, options.runs + 1):
            with tempfile.TemporaryDirectory() as folder:
                done, kept, errors = experiment(python, Path(folder) / "shared.duckdb", options)
            lost += done - kept
            said = f"{done:,} acknowledged, {kept:,} in the file, {done - kept:,} lost"
            print(
                f"duckdb {version}, run {number}: {said}" + (f"; {errors[0]}" if errors else ""), flush=True
            )
    return 1 if lost else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--python", action="append", default=[], help="an interpreter with another duckdb")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--turns", type=int, default=40)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--version-only", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--insert", nargs=2, metavar=("FILE", "NAME"), help=argparse.SUPPRESS)
    parser.add_argument("--count", metavar="FILE", help=argparse.SUPPRESS)
    return parser.parse_args()


def experiment(python: str, file: Path, options: argparse.Namespace) -> tuple[int, int, list[str]]:
    """How many rows were acknowledged, how many are there, and the errors other than a file held."""
    command = [python, __file__, "--turns", str(options.turns), "--insert", str(file)]
    workers = [
        subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE)
        for number in range(options.processes)
    ]
    said = [json.loads(worker.communicate()[0]) for worker in workers]
    errors = [error for one in said for error in one["errors"]]
    return sum(one["done"] for one in said), int(_ask(python, "--count", str(file))), errors


def _ask(python: str, *arguments: str) -> str:
    return subprocess.run(
        [python, __file__, *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


def insert(file: str, name: str, turns: int) -> dict[str, object]:
    """One process: its turns, how many went well, and what else went wrong."""
    import duckdb

    done, errors = 0, []
    for turn in range(turns):
        while True:
            try:
                with duckdb.connect(file) as db:
                    db.execute("CREATE TABLE IF NOT EXISTS rows (name VARCHAR, turn INTEGER)")
                    db.execute("INSERT INTO rows VALUES (?, ?)", [name, turn])
                done += 1
                break
            except duckdb.Error as error:
                if HELD not in str(error):
                    errors.append(str(error).splitlines()[0])
                    break
            time.sleep(random.random() * RETRY_SECONDS)
    return {"done": done, "errors": errors}


def count(file: str) -> int:
    """How many rows are in the file."""
    import duckdb

    with duckdb.connect(file, read_only=True) as db:
        (rows,) = db.execute("SELECT count(*) FROM (SELECT DISTINCT name, turn FROM rows)").fetchone() or (0,)
    return int(rows)


def version() -> str:
    """The DuckDB of this interpreter."""
    import duckdb

    return duckdb.__version__


if __name__ == "__main__":
    asked = _options()
    if asked.version_only:
        print(version())
    elif asked.insert:
        print(json.dumps(insert(asked.insert[0], asked.insert[1], asked.turns)))
    elif asked.count:
        print(count(asked.count))
    else:
        sys.exit(main())

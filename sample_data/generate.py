"""Make the sample project: five days of a small multi-agent company, as JSON lines.

This file alone decides which traces run when, which lines are bad, and what is written. It reads no
clock, no environment and no network: the days are fixed (Monday 2026-03-02 to Friday 2026-03-06,
UTC), and each trace draws from a random source seeded with its own name, so that a change to one
scenario leaves the traces of the others as they were.

    python sample_data/generate.py           rewrites the data files beside it
    python sample_data/generate.py --check   writes nothing; exits 1 when a file on disk differs
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from playback import (
    DAY,
    HOUR,
    INCIDENT_END,
    INCIDENT_START,
    MINUTE,
    Ending,
    Job,
    play,
    random_source,
)
from scenarios import (
    BAD_ROW,
    CHECKOUT_FLOW,
    DISK_FULL,
    DOUBLE_CHARGE,
    ETL_OPERATION,
    GATEWAY_503,
    GATEWAY_TIMEOUT,
    INCIDENT_LOADS,
    LAB_RUN,
    LOADS,
    NIGHTLY_ETL,
    ONBOARDING_FLOW,
    SUPPORT_FLOW,
)

DATES = ("2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05", "2026-03-06")
THURSDAY, FRIDAY = 3 * DAY, 4 * DAY

ENDING_WEIGHTS: Mapping[Ending, int] = {
    "completed": 83,
    "failed": 7,
    "cancelled": 5,
    "overdue": 1,
    "expired": 4,
}
INCIDENT_ENDING_WEIGHTS: Mapping[Ending, int] = {"completed": 45, "failed": 55}


# --- The five days --------------------------------------------------------------------------------


def ordinary_jobs() -> Iterator[Job]:
    """Yield the everyday load, by the hours at which people and shops are awake."""
    for load in LOADS:
        for day, count in enumerate(load.per_day):
            for number in range(count):
                seed = f"{load.scenario.context_id}/{load.scenario.trace_type}/{day}/{number}"
                rng = random_source(f"{seed}/job")
                [hour] = rng.choices(list(load.hours), list(load.hours.values()))
                started = day * DAY + hour * HOUR + rng.randrange(HOUR)
                yield with_random_ending(Job(load.scenario, started, seed, "completed"), rng)


def incident_jobs() -> Iterator[Job]:
    """Yield what comes on top on Wednesday afternoon."""
    for scenario, count in INCIDENT_LOADS:
        for number in range(count):
            seed = f"incident/{scenario.trace_type}/{number}"
            rng = random_source(f"{seed}/job")
            started = rng.randrange(INCIDENT_START, INCIDENT_END)
            yield with_random_ending(Job(scenario, started, seed, "completed"), rng)


def with_random_ending(job: Job, rng: random.Random) -> Job:
    """Give a job an ending; in the incident it is often bad, and the gateway's fault."""
    weights = INCIDENT_ENDING_WEIGHTS if job.in_incident else ENDING_WEIGHTS
    [ending] = rng.choices(list(weights), list(weights.values()))
    blamed = rng.choice((GATEWAY_TIMEOUT, GATEWAY_TIMEOUT, GATEWAY_503))
    return replace(job, ending=ending, fault=blamed if job.in_incident else None)


def nightly_jobs() -> Iterator[Job]:
    """Yield the batch of each night at two o'clock: one ETL run and three operations beside it."""
    for day, date in enumerate(DATES):
        started = day * DAY + 2 * HOUR + 1_371 * (day + 1)
        run = Job(NIGHTLY_ETL, started, f"etl/{day}", "completed", f"nightly-etl-{date}")
        run = replace(run, name=f"Nightly ETL {date}", execution_id=f"etl-{date}")
        yield replace(run, ending="failed", fault=BAD_ROW) if date == "2026-03-05" else run
        for number, operation in enumerate(ETL_OPERATION.names):
            begins = started + (4 + 9 * number) * MINUTE + 7_919 * day
            part = Job(ETL_OPERATION, begins, f"etl/{day}/{operation}", "completed")
            yield replace(part, name=operation, execution_id=run.execution_id)


def checkout_pair() -> Iterator[Job]:
    """Yield one checkout on a good day and in the incident.

    They share a seed, so that they differ in little but what the incident did.
    """
    baseline = Job(CHECKOUT_FLOW, DAY + 14 * HOUR + 22 * MINUTE, "demo/cart", "completed")
    baseline = replace(baseline, name="Checkout order {order}")
    yield replace(baseline, trace_id="checkout-baseline-01", execution_id="exec-baseline")
    started = baseline.started + DAY
    incident = replace(baseline, started=started, ending="failed", fault=GATEWAY_TIMEOUT)
    yield replace(incident, trace_id="checkout-incident-01", execution_id="exec-incident")


def named_jobs() -> Iterator[Job]:
    """Yield the other traces with a readable id."""
    charged = Job(CHECKOUT_FLOW, INCIDENT_START + 71 * MINUTE, "demo/double", "failed")
    yield replace(charged, trace_id="checkout-double-charge", fault=DOUBLE_CHARGE)
    welcome = Job(ONBOARDING_FLOW, 9 * HOUR + 12 * MINUTE, "demo/onboarding", "completed")
    yield replace(welcome, trace_id="onboarding-sakura", name="Onboard 株式会社さくら")
    rerun = Job(NIGHTLY_ETL, THURSDAY + 6 * HOUR + 31 * MINUTE, "demo/rerun", "completed")
    rerun = replace(rerun, trace_id="nightly-etl-2026-03-05-rerun", execution_id="etl-2026-03-05")
    yield replace(rerun, name="Nightly ETL 2026-03-05 (rerun)")
    full = Job(ETL_OPERATION, THURSDAY + 3 * HOUR + 5 * MINUTE, "demo/disk", "failed")
    yield replace(full, trace_id="snapshot-disk-full", fault=DISK_FULL)


def open_jobs() -> Iterator[Job]:
    """Yield the traces that nobody had ended by Friday evening."""
    for number, scenario in enumerate((CHECKOUT_FLOW, ONBOARDING_FLOW, SUPPORT_FLOW, LAB_RUN)):
        started = FRIDAY + 15 * HOUR + (11 + 37 * number) * MINUTE + 4_211
        yield Job(scenario, started, f"open/{number}", "active")


def project_lines() -> list[str]:
    """Return the project as JSON lines: traces by start, each before its events."""
    jobs = [*ordinary_jobs(), *incident_jobs(), *nightly_jobs()]
    jobs += [*checkout_pair(), *named_jobs(), *open_jobs()]
    jobs.sort(key=lambda job: (job.started, job.seed))
    return [as_line(fields) for job in jobs for fields in play(job)]


def as_line(fields: Mapping[str, object]) -> str:
    """Write an object as one compact line of JSON."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


# --- Lines that a store has to refuse -------------------------------------------------------------


def raw_event(line: int, fields: str) -> str:
    """Return an event of the bad-lines trace on a line; its other fields are raw JSON text."""
    head = f'"kind":"event","event_id":"bad-{line:02d}","trace_id":"bad-lines-demo"'
    return f'{{{head},{fields},"timestamp":"2026-03-05T09:00:{line:02d}Z"}}'


def bad_lines() -> list[str]:
    """Return a trace and three good events of it, and twelve lines that are each bad otherwise."""
    call, note = '"event_type":"tool_call"', '"event_type":"note"'
    unmeasured = '{"metric_name":"tokens_used","metric_unit":"tokens"}'
    return [
        '{"kind":"trace","trace_id":"bad-lines-demo","context_id":"ctx-agent-lab",'
        '"name":"Lines good and bad","started_at":"2026-03-05T08:59:00Z"}',
        raw_event(2, '"event_type":"stage_started","data":{"stage":"context"}'),
        raw_event(3, f'{call},"data":{{"tool":"kb.search"}}').removesuffix("}"),
        '["event","bad-04","bad-lines-demo"]',
        raw_event(5, f'{call},"level":"warning"'),
        raw_event(6, call).replace("2026-03-05T", "2026-02-30T"),
        raw_event(7, '"event_type":"tool_result","duration_ms":-12.5'),
        raw_event(8, '"event_type":"llm_call","message":"Gut so 👍","duration_ms":812.4'),
        raw_event(9, call).replace("bad-lines-demo", "no-such-trace"),
        raw_event(10, '"event_type":""'),
        raw_event(11, f'{call},"data":["kb.search",3]'),
        raw_event(12, f'{call},"level":"info","level":"debug"'),
        raw_event(13, f'{note},"stage":"plan","data":{{"stage":"confirm"}}'),
        raw_event(14, f'{note},"data":{{"score":NaN}}'),
        raw_event(15, f'"event_type":"performance_metric","data":{unmeasured}'),
        raw_event(16, f'{note},"stage":"plan","data":{{"share":1.10}}'),
    ]


# --- Files ----------------------------------------------------------------------------------------


def data_files() -> dict[str, bytes]:
    """Return the name and the exact content of each data file."""
    return {
        "project.jsonl": as_bytes(project_lines()),
        "bad-lines.jsonl": as_bytes(bad_lines()),
    }


def as_bytes(lines: Sequence[str]) -> bytes:
    """Join lines, each with its newline, as UTF-8."""
    return "".join(f"{line}\n" for line in lines).encode()


def differing(folder: Path, files: Mapping[str, bytes]) -> list[str]:
    """Return the names of files that are missing from the folder or have another content."""
    return [
        name
        for name, content in files.items()
        if not (folder / name).is_file() or (folder / name).read_bytes() != content
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the data files, or with ``--check`` compare them; return the exit code."""
    parser = argparse.ArgumentParser(description="Make the sample project's data files.")
    parser.add_argument("--check", action="store_true", help="exit 1 when a file on disk differs")
    options = parser.parse_args(arguments)
    folder = Path(__file__).resolve().parent
    files = data_files()
    stale = differing(folder, files)
    for name in stale:
        if not options.check:
            (folder / name).write_bytes(files[name])
        sys.stderr.write(f"{name}: {'differs' if options.check else 'written'}\n")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

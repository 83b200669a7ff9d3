"""Any bytes as a config file or as a value that is typed: options and values, or one error."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable

from mplp_trace_cli.analysis.alert_rules import load_alerts
from mplp_trace_cli.analysis.filters import event_condition, trace_condition
from mplp_trace_cli.analysis.measures import EVENTS, TRACES, measures_of
from mplp_trace_cli.cli.commands.importing import column_pairs, default_pairs
from mplp_trace_cli.cli.values import json_object, number, split_pair
from mplp_trace_cli.config import load_options, options_from, resolve_store
from mplp_trace_cli.delivery.settings import check_action
from mplp_trace_cli.domain.checks import has_surrogate
from mplp_trace_cli.domain.errors import InvalidInput, TraceError
from mplp_trace_cli.domain.globs import glob_regex
from mplp_trace_cli.domain.json_text import parse
from mplp_trace_cli.domain.questions import ColumnMapping, EventFilter, TraceFilter
from mplp_trace_cli.interchange.tables.columns import check_mapping, table_plan
from mplp_trace_cli.storage.keeping.retention import retention_rules
from tests.fuzz_targets import FuzzTarget

SHARED_MEMORY = "/dev/shm"
"""Where a file costs no disk."""


def a_config_file(data: bytes) -> None:
    """The options and the alerts of a file, with what is computed of them at once."""
    folder = SHARED_MEMORY if os.path.isdir(SHARED_MEMORY) else None
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".toml") as file:
        file.write(data)
        file.flush()
        options = load_options(file.name)
    retention_rules(options)
    assert "\0" not in resolve_store(None, options)
    load_alerts(options, check_action)
    load_alerts(options._replace(from_project=True), check_action)


def options_as_json(data: bytes) -> None:
    """Options from code: whatever types they have."""
    try:
        table = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(table, dict):
        options = options_from(table)
        retention_rules(options)
        load_alerts(options, check_action)


def pairs(data: bytes) -> None:
    """`--data`, a line, and `--set` behind it: one JSON object with every key in it."""
    base, *members = data.decode(errors="surrogateescape").split("\n")
    if base.startswith("@"):
        return
    text = json_object(base or None, members, ("--data", "--set"))
    if text is not None:
        found = parse(text)
        assert not any(has_surrogate(one) for one in [text])
        assert {split_pair(pair, "--set")[0] for pair in members} <= found.keys()


def filters(data: bytes) -> None:
    """Globs, paths, figures and values in filters: SQL that binds what was given."""
    name, path, value = (*data.decode(errors="surrogateescape").split("\n", 2), "", "")[:3]
    re.compile(glob_regex(name), re.DOTALL)
    trace_condition(TraceFilter(names=[name], metadata=[(path, value)], tags=[value], text=[value]))
    event_condition(EventFilter(event_types=[name], data=[(path, value)], sources=[value], min_level=None))
    for subject in (TRACES, EVENTS):
        measures_of([path], subject)


def columns(data: bytes) -> None:
    """`--map` and `--default`, and the names of columns, a line each."""
    text = data.decode(errors="surrogateescape")
    mapped, given, time_format, unit, *header = [*text.split("\n"), "", "", ""]
    mapping = ColumnMapping(
        column_pairs([mapped] if mapped else []),
        default_pairs([given] if given else []),
        time_format or None,
        unit or "ms",
    )
    check_mapping(mapping)
    plan = table_plan(header, mapping, {}, is_text=True)
    assert len(set(plan.names)) == len(header)


def a_number(data: bytes) -> None:
    """A number as typed."""
    number(data.decode(errors="surrogateescape"), "--least")


SUBJECTS: list[Callable[[bytes], None]] = [a_config_file, options_as_json, pairs, filters, columns, a_number]


def check(data: bytes) -> None:
    """The first byte says as what the rest is read."""
    try:
        SUBJECTS[(data[:1] or b"\0")[0] % len(SUBJECTS)](data[1:])
    except TraceError as fault:
        assert isinstance(fault, InvalidInput) or fault.message.startswith(("the config file", "alerts"))
        assert fault.message


RULE = """
[[alerts.rules]]
name = "slow"
condition = "p95_response_time > 2s and error_rate > 5%"
window = "10m"
for = 5.0
cooldown = 0
severity = "high"
group_by = ["name", "meta.team"]
actions = ["ops", "hook", "run", "chat"]
[alerts.actions.ops]
type = "email"
to = ["ops@example.com"]
from = "alerts@example.com"
host = "mail.example.com"
username = "u"
password = { env = "MAIL" }
[alerts.actions.hook]
type = "webhook"
url = "https://example.com:8080/path"
headers = { "X-Key" = { file = "/etc/key" } }
timeout = "10s"
[alerts.actions.chat]
type = "slack"
url = { env = "MPLP_TRACE_CHAT" }
[alerts.actions.run]
type = "command"
argv = ["notify", "x"]
"""
OPTIONS = """
data_source = "a/traces.duckdb"
enable_metrics_collection = true
retention_period_days = 30.5
max_store_size = "1.5 GiB"
memory_limit = "512MB"
threads = 2
durable = true
[metrics_config]
collection_interval = 1000
metric_types = ["system", "custom"]
[metrics_config.custom_metrics.m]
type = "histogram"
help = "h"
unit = "ms"
buckets = [1, 2.5, 1e3]
value = 0
[event_config]
max_event_bytes = 99
default_level = "warn"
"""
SEEDS = [
    b"\x00" + OPTIONS.encode(),
    b"\x00" + RULE.encode(),
    b"\x00data_source = 'x'\r\nthreads = inf",
    b"\x00memory_limit = '" + b"9" * 310 + b"TB'",
    b"\x00threads = [" + b"[" * 2_000,
    b"\x00threads = " + b"9" * 5_000,
    b'\x00data_source = "a\\u0000b"',
    b"\x00[metrics_config]\ncollection_interval = 1e300",
    b"\x00[alerts]\nrules = 1979-05-27T07:32:00Z\nactions = [1979-05-27, 07:32:00]",
    b'\x01{"data_source":"\\ud800","threads":null,"metrics_config":{"custom_metrics":{"":{"value":[]}}}}',
    b'\x01{"alerts":{"rules":[{"name":"a","condition":"x > 1","window":1e400}],"actions":{"email":{}}}}',
    b'\x02{"a":1}\nb=1.10\nc=x\nd={"e":[]}\n=\nf==\n\xff=1',
    b"\x03a*[!b-c]?\nsum(data.tokens)\n1.0",
    b"\x03[[]\ncount\nnull",
    b"\x04event_type=EventType,trace_id=Id, x\nlevel=info\n%d/%m/%Y\nus\nEventType\nId\n\nId",
    b"\x041e400",
]
WORDS = """
    alerts rules actions condition window cooldown severity group_by type email slack webhook command to
    from host port username password env file url headers timeout argv data_source retention_period_days
    max_store_size memory_limit threads metrics_config event_config custom_metrics collection_interval
    metric_types buckets max_event_bytes default_level true inf nan 1e400 [[ ]] \"\"\" ''' \\u0000 0x
    1979-05-27 event_type= trace_id= kind= p95(data. sum(
"""
TARGET = FuzzTarget(check, SEEDS, [word.encode() for word in WORDS.split()])

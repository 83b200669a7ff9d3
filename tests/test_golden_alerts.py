"""What `alerts` prints, byte for byte; see test_golden_formats. The past is replayed or has a clock."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from mplp_trace_cli.config import load_options
from mplp_trace_cli.domain.ids import new_id
from mplp_trace_cli.service import TraceManagementService, Wiring
from mplp_trace_cli.storage.paths import StorePaths
from tests.conftest import SAMPLE_DATA, Cli
from tests.helpers_storage import Clock
from tests.terminal import COLOR, on_terminal
from tests.test_golden_formats import FORMATS, check

REPLAY = ("--config", str(SAMPLE_DATA / "alerts.toml"), "alerts", "check", "--at", "2026-03-04T14:30:00Z")
SUMMARY = "4 rules checked as of 2026-03-04 14:30:00 UTC: 2 firing, 1 pending\n"
REMEMBERED = {"alerts_list": ("alerts", "list"), "alerts_history": ("alerts", "history")}
CONFIG = """
[[alerts.rules]]
name = "deep queue"
condition = "last(depth) > 10"
window = "1h"
cooldown = "30m"
severity = "critical"
actions = ["note", "lost"]

[[alerts.rules]]
name = "deep-queues"
condition = "last(depth) >= 5"
window = "1h"
for = "2m"
group_by = "labels.queue"

[[alerts.rules]]
name = "calm"
condition = "error_rate > 5%"

[alerts.actions.note]
type = "command"
argv = ["true"]

[alerts.actions.lost]
type = "command"
argv = ["/nowhere/at-all"]
"""


@pytest.fixture(scope="module")
def remembering(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The command on a store whose alerts went through all states; tests only ask it."""
    made = Cli(tmp_path_factory.mktemp("alerts"))
    config = made.folder / "config.toml"
    config.write_text(CONFIG)
    clock = Clock()
    wiring = Wiring(StorePaths.at(made.db), load_options(str(config)), clock, new_id, durable=False)
    service = TraceManagementService(wiring)
    _live_through(service, clock)
    service.close()
    return Cli(made.folder, {"MPLP_TRACE_CONFIG": str(config)})


def _live_through(service: TraceManagementService, clock: Clock) -> None:
    for mail, hard in ((1, 2), (12, 2), (13, 7), (14.5, 7), (3, 8), (20, 9)):
        for queue, depth in (("mail", mail), ("[b]näh|te\x1b[31m", hard)):
            service.record_metric(name="depth", value=depth, labels={"queue": queue}).unwrap()
        if mail > 10:
            service.record_metric(name="depth", value=mail, labels={"queue": "mail"}).unwrap()
        service.check_alerts().unwrap()
        if mail == 13:
            service.acknowledge_alert("deep queue", note="we are on it", by="ann").unwrap()
        clock.pass_seconds(90)
    service.acknowledge_alert("deep-queues", note="so is bob", by="bob").unwrap()


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_replay(sample_store: Cli, format_name: str) -> None:
    """Programs get every alert of every rule; people those that hold, the worst first."""
    done = sample_store(*REPLAY, "--format", format_name)
    assert (done.code, done.stderr) == (1, SUMMARY)
    check(f"alerts_check.{format_name}", done.raw)


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("name", REMEMBERED)
def test_what_is_remembered(remembering: Cli, name: str, format_name: str) -> None:
    """A piped answer is these bytes, and no escape sequence."""
    done = remembering(*REMEMBERED[name], "--format", format_name)
    assert done.code == 0
    if format_name in ("table", "markdown"):
        assert b"\x1b" not in done.raw
    check(f"{name}.{format_name}", done.raw)


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("name", ["alerts_check", *REMEMBERED])
def test_tables_on_a_terminal(sample_store: Cli, remembering: Cli, name: str, columns: int) -> None:
    """With colours for severities and states; no line is longer than the terminal, and nothing is cut."""
    asked = (sample_store, REPLAY) if name == "alerts_check" else (remembering, REMEMBERED[name])
    shown = on_terminal(asked[0], *asked[1], columns=columns).stdout.replace("\r\n", "\n")
    check(f"{name}.terminal_{columns}", shown.encode())
    lines = [line for line in COLOR.sub("", shown).splitlines() if not line.startswith("warning: ")]
    assert max(map(cell_len, lines)) <= columns
    assert "…" not in shown


def test_the_config_of_the_sample_is_about_alerts_alone() -> None:
    """It names no store, so that it is good for any."""
    assert load_options(str(SAMPLE_DATA / "alerts.toml")).data_source is None
    assert Path(SAMPLE_DATA / "alerts.toml").read_text().isascii()

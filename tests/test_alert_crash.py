"""A check that is gone between two of its lines: none is lost, and only a notice under way comes twice."""

from __future__ import annotations

import shutil
from pathlib import Path

from mplp_trace_cli.config import load_options
from mplp_trace_cli.domain.ids import new_id
from mplp_trace_cli.service import TraceManagementService, Wiring
from mplp_trace_cli.storage.paths import StorePaths
from tests.helpers_alerts import DEEP, states, writer
from tests.helpers_processes import crash_at, join, lines_of, start
from tests.helpers_storage import SECOND, START_OF_TIME

POINTS = 10
_TAIL = 160
"""The last lines of a check, where the state is written and notices are sent: most points are there."""
LEASE = 200 * SECOND


def service_in(folder: Path, now: int) -> TraceManagementService:
    """A service whose clock stands at that instant, and whose notices go to a file of the folder."""
    config = folder / "alerts.toml"
    config.write_text(DEEP + writer(folder / "notices"))
    paths = StorePaths.at(folder / "traces.duckdb")
    return TraceManagementService(Wiring(paths, load_options(str(config)), lambda: now, new_id, durable=True))


def prepared(folder: Path) -> None:
    """A depth of which people have to be told."""
    folder.mkdir()
    service = service_in(folder, START_OF_TIME)
    service.record_metric(name="depth", value=12).unwrap()
    service.flush().unwrap()
    service.close()


def first_check(folder: Path) -> None:
    """What is cut off."""
    service_in(folder, START_OF_TIME + SECOND).check_alerts().unwrap()


def later_check(folder: Path) -> None:
    """What comes after it, when its claims are over; and one more, which has nothing to tell."""
    for seconds in (1, 2):
        report = service_in(folder, START_OF_TIME + SECOND + LEASE * seconds).check_alerts().unwrap()
        assert report.firing == 1


def test_a_check_that_is_cut_off_anywhere(tmp_path: Path) -> None:
    """The firing is told, once or, where it was under way, twice; and then no more."""
    template = tmp_path / "template"
    prepared(template)
    measured = shutil.copytree(template, tmp_path / "measured")
    total = lines_of(first_check, measured, count_file=tmp_path / "lines")
    points = {*range(1, total, total // 4), *range(max(1, total - _TAIL), total + 1, _TAIL // (POINTS - 4))}
    cut_while_sending = 0
    for line in sorted(points):
        here = shutil.copytree(template, tmp_path / f"at{line}")
        assert crash_at(line, first_check, here), f"line {line} of {total}"
        under_way = states(here / "notices")
        cut_while_sending += len(under_way)
        join([start(later_check, here)])
        assert states(here / "notices") in (["firing"], [*under_way, "firing"]), f"line {line} of {total}"
    assert 0 < cut_while_sending < len(points), "the points lie before and after the sending"

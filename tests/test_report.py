"""The HTML pages: what is written, and what a real browser shows of it when it opens the file from disk."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from mplp_trace_cli import Event, Trace
from mplp_trace_cli.analysis.results import TraceWithEvents
from mplp_trace_cli.domain.dashboard import DashboardData, DashboardSummary, TimePoint, TopError, Trend
from mplp_trace_cli.domain.errors import MissingExtra
from mplp_trace_cli.domain.times import SECOND_US, parse_instant
from mplp_trace_cli.domain.visible import visible
from mplp_trace_cli.domain.words import humane_duration
from mplp_trace_cli.report.dashboard_page import dashboard_page
from mplp_trace_cli.report.frame import asset
from mplp_trace_cli.report.trace_page import trace_page
from tests.conftest import Cli
from tests.helpers_browser import DESKTOP, PHONE, SCHEMES, Browser, started

START = "2026-03-02T09:00:00Z"
HOUR = 3_600 * SECOND_US
EXACT = '{"rate":1.10,"big":1e2,"huge":1180591620717411303424,"a":{"b":[],"b":[1,{}]},"s":"a\\u00e9, {b: 1}"}'
PAYLOADS = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "</title></style><img src=x onerror=alert(1)>",
    "\"'><svg onload=alert(1)>",
    "{{constructor.constructor('alert(1)')()}}",
    "line\u2028and\u2029breaks\r\nand\ttabs",
    "\u202egnp.exe\u202c \x1b[31mred \x00 \x85",
)


def event(at: int, parent: int | None = None, **fields: Any) -> Event:
    """An event named after its number, that many seconds after the start."""
    moment = f"2026-03-02T{9 + at // 3600:02}:{at // 60 % 60:02}:{at % 60:02}Z"
    above = None if parent is None else f"e{parent}"
    given = {"event_type": f"type.{at}", "level": "info", "timestamp": moment, **fields}
    return Event(f"e{at}", "t1", parent_event_id=above, **given)


def found_of(events: Sequence[Event], **fields: Any) -> TraceWithEvents:
    """A trace with those events, which ended after a minute."""
    given: dict[str, Any] = {"trace_id": "t1", "context_id": "ctx-1", "trace_type": "workflow_execution"}
    given |= {"name": "checkout", "status": "failed", "started_at": START}
    trace = Trace(**{**given, "completed_at": "2026-03-02T09:01:00Z", **fields})
    trace.events = list(events)
    return TraceWithEvents(trace, trace.events, trace.generate_summary())


def small() -> TraceWithEvents:
    """A trace of six events: a tree, two errors, every kind of bar."""
    return found_of(
        [
            event(1, message="begins"),
            event(10, 1, level="warn", duration_ms=8_000.0, source="plan"),
            event(20, 10, level="error", duration_ms=9_000.0, message="no <b>answer</b>", data=EXACT),
            event(30, 1, level="debug"),
            event(40, level="critical", message="gave up"),
            event(60, duration_ms=90_000.0, message="longer than the trace"),
        ],
        description="What it is about",
        tags=["prod", "etl"],
        metadata='{"n": 1.50}',
    )


def dashboard(errors: Sequence[TopError] = (), hours: int = 24, **values: Any) -> DashboardData:
    """A day by hours, with a gap in what is measured."""
    start = parse_instant("2026-03-01T09:00:00Z")
    measured = {"response_time": 1_250.0, "error_rate": 0.125, "throughput": 3 / 3_600, "error_count": 2.0}
    points = [
        TimePoint(start + at * HOUR, 3, {**measured, **values} if at != 5 else dict.fromkeys(measured))
        for at in range(hours)
    ]
    trends = {
        "total_traces": Trend(72, 60, 0.2, "up", "neutral"),
        "success_rate": Trend(0.875, 0.9, -0.0278, "down", "worse"),
        "average_duration": Trend(1_250.0, 2_500.0, -0.5, "down", "better"),
        "error_count": Trend(48, 48, 0.0, "flat", "neutral"),
        "response_time": Trend(1_250.0, None, None, "flat", "neutral"),
    }
    return DashboardData(
        start,
        start + hours * HOUR,
        "hour",
        ("response_time", "error_rate", "throughput", "error_count"),
        DashboardSummary(72, 0.875, 1_250.0, 48),
        tuple(points),
        tuple(errors),
        trends,
    )


def top_error(text: str) -> TopError:
    """An error that says `text` wherever it may."""
    start = parse_instant(START)
    return TopError(text, 7, 3, text, text, start, start + HOUR, f"{text}!", text)


# -- what is written -------------------------------------------------------------------------------


def test_a_page_is_one_file_that_may_load_nothing() -> None:
    """No address of anything to load is in a page of ours, and its policy forbids the rest."""
    page = trace_page(small())
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "default-src &#x27;none&#x27;" in policy[1]
    assert "unsafe" not in policy[1]
    assert not re.search(r"https?:|src=|@import|url\(", page.replace("img-src", "").replace("script-src", ""))


def test_text_is_never_markup() -> None:
    """What an event or a trace says stands in the file escaped, in HTML as in the data."""
    page = trace_page(found_of([event(1, message="</script><b>bold</b>")], name="<i>name</i> & \u202e"))
    assert "&lt;i&gt;name&lt;/i&gt; &amp; \\u202e" in page
    assert "\\u003c/script\\u003e\\u003cb\\u003ebold" in page
    assert "<b>bold" not in page


def test_facts_are_there_without_scripts() -> None:
    """The facts of the trace are HTML of their own: counts, times in UTC, exact metadata."""
    page = trace_page(small())
    for fact in ("1m 00s", "2026-03-02 09:01:00.000000 UTC", "{&quot;n&quot;: 1.50}", "<li>etl</li>"):
        assert fact in page
    assert "1 debug, 2 info, 1 warn, 1 error, 1 critical" in page


def test_a_trace_without_events_has_a_page() -> None:
    """Nothing to draw is said, and no script runs."""
    page = trace_page(found_of([], status="active", completed_at=None))
    assert "No events." in page
    assert "still active" in page
    assert "script-src &#x27;none&#x27;" in page


def test_colours_can_be_read() -> None:
    """In both schemes text has the contrast of WCAG AA on what it stands on, and so have the bars."""
    light, dark = re.findall(r":root \{(.*?)\}", asset("base.css"), re.DOTALL)
    for scheme in (light, light + dark):
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+);", scheme))
        for name in ("ink", "soft"):
            assert all(contrast(colours[name], colours[on]) >= 4.5 for on in ("paper", "page", "wash"))
        for name in ("accent", "warn", "error", "critical", "good", "bad"):
            assert contrast(colours[name], colours["paper"]) >= 4.5
        assert min(contrast(colours[name], colours["paper"]) for name in ("debug", "info")) >= 3
        assert contrast(colours["mark-ink"], colours["mark"]) >= 4.5


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours as WCAG 2 has it."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    """The relative luminance of `#rgb` or `#rrggbb`."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_a_dashboard_says_what_changed_in_words() -> None:
    """Each big number has an arrow, by how much, what it was, and whether that is better or worse."""
    page = dashboard_page(dashboard())
    for said in ("▲ 20%", "was 60", "▼ 2.8%", "was 90.0%, worse", "▼ 50%", "was 2.50s, better", "→ 0.0%"):
        assert said in page
    assert "nothing to compare with" in page
    assert "24 hours, by hour" in page
    assert "3/h" in page


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the packages for charts are not installed, the error says what to install."""
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(MissingExtra) as caught:
        dashboard_page(dashboard())
    assert caught.value.hint == "pip install 'mplp-trace[report]'"
    assert "\n" not in caught.value.message


def test_show_writes_a_page(cli: Cli, tmp_path: Path) -> None:
    """`show --html` writes every event, or as many as asked for, and says what it wrote on stderr."""
    lines = [{"kind": "trace", "trace_id": "t1", "name": "many"}]
    lines += [{"event_id": f"e{at}", "trace_id": "t1", "event_type": f"type.{at}"} for at in range(250)]
    cli.ok("import", "-", stdin="\n".join(map(json.dumps, lines)))
    page = tmp_path / "page.html"
    done = cli("show", "t1", "--html", page, "--json")
    assert (done.code, done.stdout) == (0, "")
    assert re.fullmatch(rf"wrote {re.escape(str(page))} \([0-9.]+ kB\)\n", done.stderr)
    assert '"type.249"' in page.read_text(encoding="utf-8")
    part = cli("show", "t1", "--html", "-", "--events", "3")
    assert part.stderr == ""
    assert "the first 3 of 250 events" in part.stdout
    assert '"type.3"' not in part.stdout


def test_a_page_that_cannot_be_written(sample_store: Cli, tmp_path: Path) -> None:
    """A folder that is not there is one line of error; nothing is left behind."""
    done = sample_store("show", "@last", "--html", tmp_path / "no" / "page.html")
    assert done.code == 2
    assert done.stderr == f"error: {tmp_path}/no: no such folder\nhint: mkdir -p {tmp_path}/no\n"
    assert not list(tmp_path.iterdir())


# -- what a browser shows --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The browser of this module."""
    with started(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """A browser on a desktop in light colours; whatever a test opens, it has nothing to complain of."""
    chromium.look()
    yield chromium
    assert chromium.complaints() == []


def test_complaints_are_noticed(chromium: Browser, tmp_path: Path) -> None:
    """A page that asks a network or fails in a script is told apart from ours."""
    chromium.open('<img src="http://127.0.0.1:9/pixel"><script>console.error("fault")</script>', tmp_path)
    complaints = chromium.complaints()
    assert "http://127.0.0.1:9/pixel" in complaints
    assert any("fault" in complaint for complaint in complaints)


@pytest.fixture
def shown(browser: Browser, tmp_path: Path) -> Browser:
    """The browser with the page of the small trace."""
    browser.open(trace_page(small()), tmp_path)
    return browser


def rows(browser: Browser) -> list[str]:
    """The types of the events that have a row, in order."""
    return browser.texts(".row .type")


def ticks(browser: Browser) -> list[str]:
    """What the axis says."""
    return browser.texts("#axis span")


def active(browser: Browser) -> str:
    """The type of the event that is the active one."""
    (text,) = browser.texts(".row.active .type")
    return text


def press(browser: Browser, *keys: str) -> None:
    """Types keys where the focus is."""
    ActionChains(browser.driver).send_keys(*keys).perform()


def test_errors_come_first_and_lead_to_their_bars(shown: Browser) -> None:
    """The errors stand above all other events; a click or Enter on one makes its bar the active one."""
    assert shown.run(
        "const [one, two] = ['errors', 'events'].map((id) => document.getElementById(id));"
        "return one.compareDocumentPosition(two) === Node.DOCUMENT_POSITION_FOLLOWING"
    )
    assert shown.texts("#errors .type") == ["type.20", "type.40"]
    shown.all("#errors button")[0].click()
    assert active(shown) == "type.20"
    shown.run("document.querySelectorAll('#errors button')[1].focus()")
    press(shown, Keys.ENTER)
    assert active(shown) == "type.40"
    assert shown.run("return document.activeElement.id") == "rows"
    assert "gave up" in shown.one("#shown").text


def test_a_bar_shows_its_details_under_the_pointer(shown: Browser) -> None:
    """Hovering a bar shows the whole event, with its data as text; a message is text too."""
    ActionChains(shown.driver).move_to_element(shown.one(".row.error .bar")).perform()
    card = shown.one("#card")
    assert card.is_displayed()
    for said in (
        "type.20",
        "error",
        "no <b>answer</b>",
        "+11.00s",
        "9.00s",
        "2026-03-02 09:00:20.000000 UTC",
    ):
        assert said in card.text
    assert '"rate": 1.10' in card.text


def test_bars_end_at_their_timestamp(shown: Browser) -> None:
    """A bar runs from the timestamp less the duration to the timestamp, from the start at the earliest."""
    script = """
        const track = document.querySelector('.row.warn .track').getBoundingClientRect();
        return ['warn', 'info:last-child'].map((which) => {
          const bar = document.querySelector(`.row.${which} .bar`).getBoundingClientRect();
          return [(bar.left - track.left) / track.width, (bar.right - track.left) / track.width];
        })"""
    (first, last), (cut, end) = shown.run(script)
    assert (first, last) == (pytest.approx(2 / 60, abs=0.01), pytest.approx(10 / 60, abs=0.01))
    assert (cut, end) == (pytest.approx(0, abs=0.01), pytest.approx(1, abs=0.01))
    assert shown.run("return document.querySelector('.bar.cut') !== null")


def test_search_finds_filters_and_moves(shown: Browser) -> None:
    """A search counts and marks what it finds, in any field; Enter and n move; a filter hides the rest."""
    shown.one("#search").send_keys("ANSWER")
    assert shown.one("#matches").text == "1"
    assert shown.texts(".row mark") == ["answer"]
    press(shown, Keys.ENTER)
    assert (active(shown), shown.one("#matches").text) == ("type.20", "1 of 1")
    shown.one("#only").click()
    assert rows(shown) == ["type.1", "type.10", "type.20"]
    shown.one("#search").clear()
    shown.one("#search").send_keys("aé, {")
    assert shown.one("#matches").text in ("1", "1 of 1")
    shown.one("#search").clear()
    shown.one("#search").send_keys("type.")
    shown.one("#rows").send_keys("n")
    assert (active(shown), shown.one("#matches").text) == ("type.30", "4 of 6")
    shown.one("#rows").send_keys("p")
    assert active(shown) == "type.20"
    shown.one("#search").clear()
    shown.one("#search").send_keys("nowhere")
    assert shown.one("#matches").text == "no match"


def test_zoom_changes_the_axis(shown: Browser) -> None:
    """Buttons, keys, the wheel with Ctrl and dragging narrow the range; the axis says which it is."""
    whole = ticks(shown)
    assert whole[:2] == ["0", "10s"]
    zooms = (
        lambda: shown.one("#in").click(),
        lambda: shown.one("#rows").send_keys("+"),
        lambda: shown.run(
            "document.getElementById('axis').dispatchEvent(new WheelEvent('wheel',"
            "{deltaY: -120, ctrlKey: true, cancelable: true, bubbles: true, clientX: 700}))"
        ),
        lambda: drag(shown, "#axis"),
        lambda: drag(shown, "#overview"),
    )
    for zoom in zooms:
        zoom()
        assert ticks(shown) != whole
        assert " of 1m 00s" in shown.one("#range").text
        shown.one("#reset").click()
        assert ticks(shown) == whole
    drag(shown, ".row.debug .track")
    shown.one("#rows").send_keys(Keys.SHIFT, Keys.ARROW_RIGHT)
    assert ticks(shown) != whole
    shown.one("#rows").send_keys("0")
    assert ticks(shown) == whole


def drag(browser: Browser, selector: str) -> None:
    """Drags over a fifth of an element."""
    element = browser.one(selector)
    chain = ActionChains(browser.driver).move_to_element(element).click_and_hold()
    chain.move_by_offset(element.size["width"] // 5, 0).release().perform()


def test_the_keyboard_is_enough(shown: Browser) -> None:
    """Tab reaches the tree; arrows move, fold and unfold; Enter opens the details and Escape goes back."""
    for _ in range(40):
        press(shown, Keys.TAB)
        if shown.run("return document.activeElement.id") == "rows":
            break
    assert active(shown) == "type.1"
    assert shown.run("return getComputedStyle(document.querySelector('.row.active')).outlineStyle") == "solid"
    press(shown, Keys.ARROW_DOWN, Keys.ARROW_LEFT)
    assert (active(shown), rows(shown)) == ("type.10", ["type.1", "type.10", "type.30", "type.40", "type.60"])
    row = shown.one(".row.active")
    assert [
        row.get_dom_attribute(f"aria-{name}") for name in ("expanded", "level", "setsize", "posinset")
    ] == [*("false", "2", "2", "1")]
    assert shown.one("#rows").get_dom_attribute("aria-activedescendant") == row.get_dom_attribute("id")
    assert "warn, type.10, at 10.00s, took 8.00s" in str(row.get_dom_attribute("aria-label"))
    press(shown, Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert active(shown) == "type.20"
    press(shown, Keys.ENTER)
    assert shown.run("return document.activeElement.id") == "details"
    press(shown, Keys.ESCAPE, Keys.END)
    assert active(shown) == "type.60"
    press(shown, "/")
    assert shown.run("return document.activeElement.id") == "search"
    shown.one("#collapse").click()
    assert rows(shown) == ["type.1", "type.40", "type.60"]
    shown.one("#expand").click()
    assert len(rows(shown)) == 6


def test_data_is_shown_to_the_letter(shown: Browser) -> None:
    """Data is broken into lines with its tokens untouched; as recorded it is the exact text."""
    shown.all("#errors button")[0].click()
    (pretty,) = shown.texts("#shown .data")
    assert pretty.startswith('{\n  "rate": 1.10,\n  "big": 1e2,\n  "huge": 1180591620717411303424,')
    assert '"b": [],\n    "b": [\n      1,\n      {}\n    ]' in pretty
    assert '"s": "a\\u00e9, {b: 1}"' in pretty
    shown.one("#shown .turn").click()
    assert shown.texts("#shown .data") == [EXACT]


def test_durations_read_as_on_the_command_line(shown: Browser) -> None:
    """The page writes a duration as the command line does."""
    values = [0, 0.25, 3.14159, 12.3, 999.4, 999.6, 59_994, 59_996, 3_599_600, 86_399_999, 9e7, 9e10]
    script = f"{asset('words.js')}; return arguments[0].map(humane)"
    assert shown.run(script, values) == [humane_duration(value) for value in values]


def test_ten_thousand_events_are_a_few_rows(browser: Browser, tmp_path: Path) -> None:
    """Of a long trace only the rows in sight are elements, wherever one scrolls; search looks at all."""
    events = [event(at, at - at % 100 if at % 100 else None) for at in range(10_000)]
    browser.open(trace_page(found_of(events)), tmp_path)
    count = "return document.querySelectorAll('*').length"
    assert browser.run("return document.querySelector('.holder').offsetHeight") == 10_000 * 28
    assert browser.run(count) < 1_200
    browser.run("document.getElementById('rows').scrollTop = 140_000")
    browser.until("return document.getElementById('event-5005') !== null")
    assert browser.run(count) < 1_200
    assert "type.0" not in rows(browser)
    browser.one("#rows").send_keys(Keys.END)
    assert active(browser) == "type.9999"
    browser.one("#search").send_keys("type.123")
    assert browser.one("#matches").text == "11"
    press(browser, Keys.ENTER)
    assert active(browser) == "type.123"
    browser.one("#collapse").click()
    assert browser.run("return document.querySelector('.holder').offsetHeight") == 100 * 28
    assert browser.run(count) < 1_200


def test_paper_has_every_event(browser: Browser, tmp_path: Path) -> None:
    """What stands beyond the end of the list is drawn when the page is printed, and put away afterwards."""
    browser.open(trace_page(found_of([event(at) for at in range(300)])), tmp_path)
    browser.until("return document.querySelectorAll('.row').length")
    browser.run(
        "addEventListener('beforeprint', () => { window.inked = document.querySelectorAll('.row').length })"
    )
    browser.driver.execute_cdp_cmd("Page.printToPDF", {})
    browser.until("return document.querySelectorAll('.row').length < 100")
    assert browser.run("return window.inked") == 300


def test_a_chart_fits_the_paper(browser: Browser, tmp_path: Path) -> None:
    """A chart that was drawn for a wide screen is as narrow as the page that is printed."""
    browser.open(dashboard_page(dashboard()), tmp_path)
    browser.until("return document.querySelectorAll('.chart svg').length >= 3")
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    browser.run("document.querySelector('.charts').style.width = '300px'")
    drawn = (
        "return [...document.querySelectorAll('.chart svg')].map((one) => one.getBoundingClientRect().width)"
    )
    assert max(browser.run(drawn)) <= 300


@pytest.mark.parametrize("page", ["trace", "dashboard"])
def test_pages_fit_every_screen(browser: Browser, tmp_path: Path, page: str) -> None:
    """On a desktop and on a phone, in light and in dark, nothing is wider than the screen."""
    errors = [top_error("a_long_name_without_a_space" * 9), top_error("short")]
    long = small()
    long = replace(long, trace=replace(long.trace, name="a_long_name_without_a_space" * 9))
    browser.open(trace_page(long) if page == "trace" else dashboard_page(dashboard(errors)), tmp_path)
    if page == "dashboard":
        browser.until("return document.querySelectorAll('.chart svg').length === 4")
    grounds = set()
    for size in (DESKTOP, PHONE):
        for scheme in SCHEMES:
            browser.look(size, scheme)
            browser.until(f"return innerWidth === {size[0]}")
            browser.until("return document.scrollingElement.scrollWidth <= innerWidth")
            grounds.add(browser.run("return getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 2


def test_details_are_a_sheet_on_a_phone(browser: Browser, tmp_path: Path) -> None:
    """On a phone a touched event opens a sheet that can be closed again; its row stays in sight."""
    browser.look(PHONE)
    browser.open(trace_page(small()), tmp_path)
    assert not browser.one("#details").is_displayed()
    browser.all(".row .type")[3].click()
    assert "type.30" in browser.one("#details").text
    browser.one("#close").click()
    assert not browser.one("#details").is_displayed()


def test_charts_are_drawn_and_can_be_read_as_tables(browser: Browser, tmp_path: Path) -> None:
    """Each metric has a chart with a description, a value under the pointer, and the same as a table."""
    browser.open(dashboard_page(dashboard([top_error("no answer")])), tmp_path)
    browser.until("return document.querySelectorAll('.chart svg').length === 4")
    assert browser.texts(".charts h2") == ["Response time", "Error rate", "Throughput", "Errors"]
    label = str(browser.one("#chart-response_time").get_dom_attribute("aria-label"))
    assert label == "Response time over 24 buckets: highest 1.25s at 2026-03-01 09:00 UTC, last 1.25s"
    ActionChains(browser.driver).move_to_element(browser.one("#chart-error_rate svg")).perform()
    browser.until("return document.querySelector('#vg-tooltip-element.visible') !== null")
    assert "12.5%" in browser.one("#vg-tooltip-element").text
    browser.run("document.querySelector('.charts summary').focus()")
    press(browser, Keys.ENTER)
    cells = browser.one(".charts details").text.splitlines()
    assert "2026-03-01 09:00 1.25s 3" in cells
    assert "2026-03-01 14:00 – 3" in cells


def test_the_dashboard_of_a_store(browser: Browser, sample_store: Cli, tmp_path: Path) -> None:
    """`dashboard --html` shows what the terminal shows: the same numbers, and durations at whole minutes."""
    page = tmp_path / "dashboard.html"
    done = sample_store("dashboard", "--since", "2026-03-04", "--until", "2026-03-04", "--html", page)
    assert (done.code, done.stdout) == (0, "")
    browser.open(page.read_text(encoding="utf-8"), tmp_path)
    browser.until("return document.querySelectorAll('.chart svg').length === 3")
    assert browser.texts(".figures dd:nth-of-type(1)") == ["53", "67.9%", "1m 45s", "55"]
    ticks = [text for text in browser.texts("#chart-response_time svg text") if text.endswith("m")]
    assert ticks == ["2m", "4m", "6m"]
    errors = browser.texts(".errors tbody th span")
    assert errors[0] == "Payment gateway timed out after <n> ms (order <n>, attempt <n>)"
    assert len(errors) == 10


def test_a_chart_follows_the_scheme_at_once(browser: Browser, tmp_path: Path) -> None:
    """When the scheme changes while a dashboard is open, its charts change too."""
    browser.open(dashboard_page(dashboard()), tmp_path)
    browser.until("return document.querySelectorAll('.chart svg').length === 4")
    colour = "return getComputedStyle(document.querySelector('.chart svg text')).fill"
    light = browser.run(colour)
    browser.look(scheme="dark")
    assert browser.run(colour) != light


def test_a_dashboard_of_nothing(browser: Browser, tmp_path: Path) -> None:
    """Where nothing was recorded the page says so, with no chart of nothing."""
    empty = dashboard(hours=1, error_count=0.0, response_time=None, error_rate=None, throughput=0.0)
    nothing = empty._replace(
        summary=DashboardSummary(0, None, None, 0),
        performance_trends={},
    )
    browser.open(dashboard_page(nothing), tmp_path)
    browser.until("return document.querySelectorAll('.chart svg').length === 2")
    assert browser.texts("section > .none") == ["No values in this window."] * 2 + [
        "No errors in this window."
    ]
    assert browser.texts(".figures dd:nth-of-type(1)") == ["0", "–", "–", "0"]


@pytest.fixture(scope="session")
def strings(conformance: Path) -> list[str]:
    """Every naughty string, and our own."""
    naughty = json.loads((conformance / "naughty-strings" / "blns.json").read_text(encoding="utf-8"))
    return [*dict.fromkeys(text for text in [*naughty, *PAYLOADS] if text)]


def shown_text(text: str) -> str:
    """What the details show of a text: what hides or turns text is written out, line breaks stay."""
    return "".join(mark if mark in "\n\t" else visible(mark) for mark in text)


ELEMENTS = (
    "return [...new Set([...document.querySelectorAll('*')].map((one) => one.tagName.toLowerCase()))].sort()"
)


def test_hostile_text_in_a_trace_stays_text(browser: Browser, tmp_path: Path, strings: list[str]) -> None:
    """Whatever a trace and its events say, wherever they may say it, is shown and never obeyed."""
    benign = found_of([event(1, level="error", message="m", data={"a": 1})], tags=["tag"], description="d")
    browser.open(trace_page(benign), tmp_path)
    browser.run("document.querySelector('#errors button').click()")
    elements = browser.run(ELEMENTS)
    events = [
        event(at, level="error", event_type=text, message=text, source=text, data={text: [text]})
        for at, text in enumerate(strings)
    ]
    fields = {"name": " ".join(strings), "description": " ".join(strings), "tags": strings}
    browser.open(trace_page(found_of(events, metadata={text: text for text in strings}, **fields)), tmp_path)
    assert browser.texts("h1") == [visible(" ".join(strings))]
    assert browser.texts(".tags li") == [visible(tag) for tag in strings]
    told = browser.run(
        """
        const rows = document.getElementById('rows'), told = [];
        const press = (key) => rows.dispatchEvent(new KeyboardEvent('keydown', {key}));
        const text = (selector) => document.querySelector(`#shown ${selector}`).textContent;
        press('Home');
        for (let count = 0; count < arguments[0]; count += 1) {
          const type = document.querySelector('#shown h3').firstChild.textContent;
          document.querySelector('#shown .turn').click();
          told.push([type, text('.message'), text('.data')]);
          press('ArrowDown');
        }
        return told""",
        len(strings),
    )
    for (type_, message, data), text, one in zip(told, strings, events, strict=True):
        assert (type_, message) == (shown_text(text), shown_text(text))
        assert data == one.data.text
    assert set(browser.run(ELEMENTS)) <= set(elements)
    assert browser.run("return document.scripts.length") == 2


def test_hostile_text_in_a_dashboard_stays_text(browser: Browser, tmp_path: Path, strings: list[str]) -> None:
    """The same of the errors of a dashboard: their patterns, types, sources, messages and traces."""
    browser.open(dashboard_page(dashboard([top_error("text")])), tmp_path)
    browser.until("return document.querySelectorAll('.chart svg').length === 4")
    elements, scripts = browser.run(ELEMENTS), browser.run("return document.scripts.length")
    browser.open(dashboard_page(dashboard([top_error(text) for text in strings])), tmp_path)
    browser.until("return document.querySelectorAll('.chart svg').length === 4")
    shortened = [visible(text if len(text) <= 400 else f"{text[:400]}…") for text in strings]
    assert browser.texts(".errors th[scope=row] > span") == shortened
    assert browser.texts(".errors td:nth-child(2) > span") == shortened
    assert browser.texts(".errors td:nth-child(2) > small") == shortened
    assert browser.texts(".errors code") == [visible(text) for text in strings]
    assert browser.run(ELEMENTS) == elements
    assert browser.run("return document.scripts.length") == scripts

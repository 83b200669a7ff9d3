"""The handler for Python's logging: records become events, and the program never notices."""

from __future__ import annotations

import logging
import logging.config
import logging.handlers
import queue
from collections.abc import Iterator

import pytest

from mplp_trace_cli import CurrentTrace, Event, MplpTraceHandler, TraceModule, use_module
from mplp_trace_cli.integrations.logging_handler import level_of


@pytest.fixture(autouse=True)
def _used(module: TraceModule, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The module of the test is that of the program, and what goes wrong is told anew."""
    monkeypatch.setattr("mplp_trace_cli.service.complaints._told", {})
    use_module(module)
    yield
    use_module(None)


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    """A logger of its own, whose handlers are taken off again."""
    logger = logging.getLogger("jobs.load")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield logger
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


def events(module: TraceModule, event_type: str = "log") -> list[Event]:
    """The events of a type."""
    return list(module.trace_management_service.query_events(event_types=[event_type]).unwrap().events)


def test_a_record_is_an_event(module: TraceModule, log: logging.Logger) -> None:
    """Source, level, message, `extra` fields and place in the tree; outside of a trace it is dropped."""
    log.addHandler(MplpTraceHandler())
    log.info("nobody hears")
    with module.trace("t"), module.step("load") as step:
        log.warning("row %d is %s", 17, "odd", extra={"row": 17, "table": "orders", "odd": object})
    (told,) = events(module)
    assert (told.level.value, told.message, told.source) == ("warn", "row 17 is odd", "jobs.load")
    assert (told.data["row"], told.data["table"], told.data["odd"]) == (17, "orders", "<class 'object'>")
    assert (told.parent_event_id, set(told.data)) == (step.event_id, {"row", "table", "odd"})


@pytest.mark.parametrize(
    ("number", "level"),
    [(0, "debug"), (19, "debug"), (20, "info"), (25, "info"), (30, "warn"), (45, "error"), (99, "critical")],
)
def test_levels(number: int, level: str) -> None:
    """Those of Python, and a custom one as the nearest below it."""
    assert level_of(number) == level


def test_exceptions_and_stacks(module: TraceModule, log: logging.Logger) -> None:
    """They are in the data, with the end of a long traceback."""
    log.addHandler(MplpTraceHandler(event_type="said"))

    def deep(level: int) -> None:
        if not level:
            raise ValueError("x" * 9_000)
        deep(level - 1)

    with module.trace("t"):
        try:
            deep(200)
        except ValueError:
            log.exception("oops", stack_info=True)
    (told,) = events(module, "said")
    error = told.data["exception"]
    assert (error["type"], error["message"][:14], told.level.value) == (
        "ValueError",
        "ValueError: xx",
        "error",
    )
    assert len(error["message"]) < 2_100
    assert 8_000 <= len(error["traceback"]) <= 8_001
    assert told.data["stack"].startswith("Stack (most recent call last)")


def test_a_given_trace_and_one_that_is_over(
    module: TraceModule, log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    """`trace_id` takes what comes from anywhere; once it is over one line is logged, and nothing raised."""
    service = module.trace_management_service
    trace = service.create_trace(context_id="c", name="n").unwrap()
    log.addHandler(MplpTraceHandler(trace_id=trace.trace_id, module=module))
    log.info("one")
    service.complete_trace(trace.trace_id).unwrap()
    with caplog.at_level(logging.WARNING, "mplp_trace_cli"):
        for _ in range(100):
            log.info("two")
    assert [event.message for event in events(module)] == ["one"]
    assert [record.name for record in caplog.records].count("mplp_trace_cli") == 1


def test_what_is_wrong_with_a_record(module: TraceModule, capsys: pytest.CaptureFixture[str]) -> None:
    """A message that cannot be formatted is told as logging tells it; text that is no UTF-8 is recorded."""
    handler = MplpTraceHandler()
    with module.trace("t"):
        for wrong in ({"msg": "%d", "args": ("no number",)}, {"msg": "half \ud800", "also": "\ud800"}):
            handler.handle(logging.makeLogRecord({"name": "odd", "levelno": 20, **wrong}))
    assert "--- Logging error ---" in capsys.readouterr().err
    (told,) = events(module)
    assert (told.message, told.data["also"]) == ("half \\ud800", "\ud800")


def test_what_is_ours_is_not_recorded(module: TraceModule, caplog: pytest.LogCaptureFixture) -> None:
    """Neither what this package says nor what is said while a record is being recorded."""
    handler = MplpTraceHandler()
    root = logging.getLogger()
    root.addHandler(handler)

    class Chatty:
        def __repr__(self) -> str:
            logging.getLogger("chatty").warning("inside")
            return "chatty"

    try:
        with module.trace("t"):
            logging.getLogger("mplp_trace_cli").warning("ours")
            logging.getLogger("mplp_trace_cli.part").warning("ours")
            logging.getLogger("other").warning("theirs", extra={"it": Chatty()})
    finally:
        root.removeHandler(handler)
    assert [event.message for event in events(module)] == ["theirs"]


def test_behind_a_queue(module: TraceModule, log: logging.Logger) -> None:
    """A filter notes the trace and the step where it was logged; another thread records it there."""
    waiting: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    handler = logging.handlers.QueueHandler(waiting)
    handler.addFilter(CurrentTrace())
    log.addHandler(handler)
    listener = logging.handlers.QueueListener(waiting, MplpTraceHandler())
    listener.start()
    log.info("nobody hears")
    with module.trace("t"), module.step("load") as step:
        log.info("queued %s", "row", extra={"row": 1})
        listener.stop()
    (told,) = events(module)
    assert (told.message, told.parent_event_id, dict(told.data)) == ("queued row", step.event_id, {"row": 1})


def test_from_a_config(module: TraceModule, log: logging.Logger) -> None:
    """`dictConfig` makes it by its public name."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"loud": {"format": "%(levelname)s!!! %(message)s"}},
            "handlers": {
                "trace": {
                    "class": "mplp_trace_cli.MplpTraceHandler",
                    "level": "WARNING",
                    "event_type": "logged",
                    "formatter": "loud",
                }
            },
            "loggers": {"jobs.load": {"handlers": ["trace"], "level": "DEBUG"}},
        }
    )
    with module.trace("t"):
        log.info("too low")
        log.error("high")
    assert [event.message for event in events(module, "logged")] == ["high"]

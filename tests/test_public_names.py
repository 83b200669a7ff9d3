"""The public names: the tables agree, each is documented, and a strictly typed program can use them."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from collections.abc import Iterator
from typing import Any, assert_type

import pytest

import mplp_trace_cli
from mplp_trace_cli import (
    Counts,
    CreateTraceRequest,
    Event,
    OperationResult,
    RecordEventRequest,
    Scope,
    StepScope,
    Trace,
    TraceManagementService,
    TraceModule,
    TraceScope,
    carry,
    current,
    event,
    step,
    trace,
    traced,
    use_module,
)
from mplp_trace_cli.domain.requests import EventFields, TraceFields
from tests.conftest import ROOT

PACKAGE = ROOT / "src" / "mplp_trace_cli"
PAGES = "\n".join(
    (ROOT / "docs" / page).read_text(encoding="utf-8") for page in ("python-api.md", "python-ways.md")
)
FOREIGN = {"Any", "Connection", "Iterator"}
"""What the library returns that is not its own: DuckDB's connection, and words of `typing`."""


def imported_for_types() -> dict[str, str]:
    """Each name that type checkers see, and the module below the package that it comes from."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    return {
        name.name: str(node.module).removeprefix("mplp_trace_cli.")
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }


def test_the_three_lists_of_names_agree() -> None:
    """What is imported at need, what type checkers see and `__all__`; each name once, from one home."""
    listed = [(name, home) for home, names in mplp_trace_cli._HOMES.items() for name in names]
    assert sorted(listed) == sorted(imported_for_types().items())
    assert sorted(name for name, _ in listed) == sorted(mplp_trace_cli.__all__)


def test_dir_and_star_give_the_public_names() -> None:
    """And names with underscores on both sides; submodules are not among them, imported or not."""
    assert mplp_trace_cli.storage
    named = {name for name in dir(mplp_trace_cli) if not re.fullmatch(r"__\w+__", name)}
    assert named == set(mplp_trace_cli.__all__)
    taken: dict[str, Any] = {}
    exec("from mplp_trace_cli import *", taken)
    assert set(taken) - {"__builtins__"} == set(mplp_trace_cli.__all__)


def described() -> Iterator[tuple[str, Any]]:
    """Every public name, and of the classes every public method and property of ours."""
    for name in mplp_trace_cli.__all__:
        thing = getattr(mplp_trace_cli, name)
        yield name, thing
        ours = [
            kind for kind in getattr(thing, "__mro__", ()) if kind.__module__.startswith("mplp_trace_cli")
        ]
        for member in sorted({key for kind in ours for key in vars(kind) if not key.startswith("_")}):
            value = inspect.getattr_static(thing, member)
            if inspect.isroutine(value) or isinstance(value, property):
                yield f"{name}.{member}", value


@pytest.mark.parametrize(("name", "thing"), [pytest.param(*one, id=one[0]) for one in described()])
def test_a_public_name_says_what_it_is(name: str, thing: Any) -> None:
    """`help()` begins with one sentence, on one line."""
    first, *more = (inspect.getdoc(thing) or "").splitlines() or [""]
    assert re.match(r"[A-Z0-9`'\[].*[.:]$", first), name
    assert not more or not more[0], name


@pytest.mark.parametrize("name", mplp_trace_cli.__all__)
def test_a_public_name_is_on_a_page(name: str) -> None:
    """In `docs/python-api.md` or `docs/python-ways.md`."""
    assert re.search(rf"\b{name}\b", PAGES)


def documented_methods() -> list[str]:
    """The methods of the service that the pages name."""
    words = set(re.findall(r"\b([a-z_]+)\(", PAGES))
    return sorted(name for name in words if hasattr(TraceManagementService, name))


@pytest.mark.parametrize("name", documented_methods())
def test_what_a_method_gives_has_a_public_name(name: str) -> None:
    """So that a program can write the type down."""
    returned = str(inspect.signature(getattr(TraceManagementService, name)).return_annotation)
    assert set(re.findall(r"[A-Z]\w+", returned)) - FOREIGN - {"None"} <= set(mplp_trace_cli.__all__)


def test_the_keywords_of_blocks_are_the_fields_of_requests() -> None:
    """What an editor offers for `trace(…)` and `event(…)` is what there is."""
    assert set(TraceFields.__annotations__) == set(CreateTraceRequest._fields) - {"name"}
    given = {"trace_id", "event_type", "level", "message", "data"}
    assert set(EventFields.__annotations__) == set(RecordEventRequest._fields) - given
    requests: tuple[tuple[type, type], ...] = (
        (TraceFields, CreateTraceRequest),
        (EventFields, RecordEventRequest),
    )
    for keywords, request in requests:
        for name, kind in keywords.__annotations__.items():
            assert kind.__forward_arg__ == request.__annotations__[name].__forward_arg__


# -- a typed program -------------------------------------------------------------------------------


@traced
async def search(query: str) -> list[str]:
    """A tool as it stands."""
    return [query]


@traced(capture_args=["page"], capture_result=True)
async def fetch(page: str, *, retries: int = 0) -> str:
    """A tool with its arguments."""
    return page * (retries + 1)


class Tools:
    """Tools as methods."""

    @traced
    def plain(self, number: int) -> int:
        """A method."""
        return number

    @classmethod
    @traced(capture_args=True)
    def of_class(cls, number: int) -> int:
        """A method of the class."""
        return number


async def agent() -> None:
    """Blocks, tools, tasks and threads; the types are checked by `make lint`."""
    async with trace("Agent", tags=["a"], timeout=60_000) as run, step("look", data={"n": 1}) as look:
        assert_type(run, TraceScope)
        assert_type(look, StepScope)
        assert_type(run.step("inner"), StepScope)
        assert_type(current(), Scope | None)
        assert_type(event("seen", data={"a": 1}, level="warn", duration_ms=1.5), str | None)
        assert_type(await search("moon"), list[str])
        assert_type(await asyncio.gather(fetch("a"), fetch("b", retries=1)), tuple[str, str])
        assert_type(Tools().plain(1), int)
        assert_type(Tools.of_class(1), int)
        assert_type(carry(Tools.of_class)(1), int)
        assert_type(await asyncio.to_thread(event, "from_thread"), str | None)


def test_a_typed_program_records_what_it_does(module: TraceModule, service: TraceManagementService) -> None:
    """Each call hangs below the step that it was made in, from tasks and threads too."""
    use_module(module)
    asyncio.run(agent())
    use_module(None)
    page = service.query_traces(names=["Agent"]).unwrap()
    assert_type(page.traces, list[Trace])
    found = service.get_trace_by_id(page.traces[0].trace_id).unwrap()
    assert_type(found.events, list[Event])
    start, *rest = found.events
    told = [one.data.get("function", one.event_type) for one in rest]
    methods = ["Tools.of_class", "Tools.of_class", "Tools.plain"]
    assert sorted(told[:-2]) == [*methods, "fetch", "fetch", "search", "seen"]
    assert told[-2:] == ["from_thread", "stage_completed"]
    assert {one.parent_event_id for one in rest} == {start.event_id}


def test_results_are_typed(service: TraceManagementService) -> None:
    """The data of a result, and what `unwrap` gives."""
    made = service.create_trace(context_id="c", name="n")
    assert_type(made, OperationResult[Trace])
    one = {"trace_id": made.unwrap().trace_id, "event_type": "x"}
    counts = service.record_events([one]).unwrap()
    assert_type(counts, Counts)
    assert counts.events == 1


def test_a_place_says_which_it_is(module: TraceModule) -> None:
    """In a REPL and in a debugger: the ids of its trace and of its event."""
    with module.trace("T") as run:
        assert repr(run) == f"<TraceScope trace_id={run.trace_id!r} event_id=None>"

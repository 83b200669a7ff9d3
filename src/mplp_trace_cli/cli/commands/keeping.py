"""`init`, `info`, `flush`: a store and its state."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mplp_trace_cli.analysis.answers import Answer, Column
from mplp_trace_cli.cli import output
from mplp_trace_cli.cli.options import Format, Json
from mplp_trace_cli.cli.settings import USER_UMASK, current, open_service
from mplp_trace_cli.cli.views import formats
from mplp_trace_cli.cli.views.chart import sparkline
from mplp_trace_cli.config import DB_VARIABLE, PROJECT_FILE, STORE_FILE, project_file_text
from mplp_trace_cli.domain.errors import AlreadyExists, StorageFailed
from mplp_trace_cli.domain.times import days_between
from mplp_trace_cli.domain.words import counted, humane_bytes

if TYPE_CHECKING:
    from mplp_trace_cli.storage.keeping.health import StoreInfo

OWN_FOLDER = ".mplp-trace"


def init_command(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Where; here.", show_default=False)] = ".",
    force: Annotated[bool, typer.Option("--force", help="Replace a settings file.")] = False,
) -> None:
    """Give a folder a store of its own: writes .mplp-trace.toml and makes the store."""
    path = os.path.join(os.path.abspath(folder), PROJECT_FILE)
    if os.path.exists(path) and not force:
        raise AlreadyExists(f"{path} is there already", hint="mplp-trace init --force")
    store = current().db or os.environ.get(DB_VARIABLE) or os.path.join(OWN_FOLDER, STORE_FILE)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(project_file_text(store))
        os.chmod(path, 0o666 & ~USER_UMASK)
    except OSError as error:
        raise StorageFailed(f"{path}: {error.strerror}") from error
    with open_service_in(os.path.dirname(path)) as service:
        service.flush().unwrap()
        _keep_out_of_git(service.paths.folder)
        output.note(f"the store is {service.paths.store}")
        _warn_of_network(service.paths.folder)
    output.answer(path)


def _keep_out_of_git(folder: str) -> None:
    if os.path.basename(folder) == OWN_FOLDER:
        with open(os.path.join(folder, ".gitignore"), "w", encoding="utf-8") as file:
            file.write("*\n")


def open_service_in(folder: str) -> Any:
    """The service that a command in that folder would use."""
    os.chdir(folder)
    return open_service()


def _warn_of_network(folder: str) -> None:
    from mplp_trace_cli.storage.keeping.health import file_system, is_network

    if is_network(file_system(folder)):
        output.warning(f"{folder} is on a network file system, where locks may fail")


def info_command(format_: Format = None, json_: Json = False) -> None:
    """Tell where the store is, how big, how much is in it, how much waits in the inbox."""
    chosen = formats.chosen_format(format_, json_)
    with open_service() as service:
        info = service.info().unwrap()
    if chosen == "json":
        formats.write_object(asdict(info))
        return
    texts = {
        "store": info.store,
        "size": humane_bytes(info.store_bytes),
        "traces": f"{info.traces:,} ({info.active:,} active)",
        "events": f"{info.events:,}",
        "metrics": counted(info.metrics, "sample"),
        "rejects": f"{info.rejects:,}",
        "inbox": f"{counted(info.waiting, 'entry', 'entries')} waiting, {humane_bytes(info.inbox_bytes)}",
        **({"growth": _growth(info)} if info.growth else {}),
    }
    if chosen == "table":
        for name, text in texts.items():
            output.answer(f"{name:<9}{output.visible(text)}")
    else:
        figures = [(name, value) for name, value in asdict(info).items() if name != "growth"]
        formats.write(Answer((Column("name"), Column("value")), figures), chosen)


def _growth(info: StoreInfo) -> str:
    """A column for each day since the first with anything, and what a day and a year of them take."""
    events = {day.day: day.events for day in info.growth}
    days = days_between(info.growth[0].day, info.growth[-1].day)
    line = sparkline([events.get(day) or None for day in days], 80)
    said = f"{line} events a day since {info.growth[0].day}"
    a_day = info.bytes_per_day
    if a_day is None:
        return said
    return f"{said}; about {humane_bytes(a_day)} a day, {humane_bytes(a_day * 365)} a year"


def flush_command() -> None:
    """Fold everything that waits in the inbox into the store."""
    with open_service() as service:
        output.note(f"folded {counted(service.flush().unwrap(), 'entry', 'entries')}")


init_command.example = "mplp-trace init"  # type: ignore[attr-defined]
info_command.example = "mplp-trace info"  # type: ignore[attr-defined]
flush_command.example = "mplp-trace flush"  # type: ignore[attr-defined]

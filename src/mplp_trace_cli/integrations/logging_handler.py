"""A handler for Python's logging: what a program logs becomes events of its trace."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from mplp_trace_cli.domain.captured import captured, cut, object_text
from mplp_trace_cli.domain.enums import Level
from mplp_trace_cli.domain.errors import TraceError
from mplp_trace_cli.domain.json_text import EMPTY_OBJECT
from mplp_trace_cli.integrations.current import current, default_service
from mplp_trace_cli.service.complaints import complain
from mplp_trace_cli.service.scopes import Scope, exception_object

if TYPE_CHECKING:
    from mplp_trace_cli.domain.event_row import EventRow
    from mplp_trace_cli.module import TraceModule

OWN = "mplp_trace_cli"
OWN_THREADS = "mplp-trace-"
EVENT_TYPE = "log"
MOST_MESSAGE = 100_000
_KNOWN = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
    "mplp_trace_id",
    "mplp_parent_event_id",
}
_LEVELS = (
    (logging.CRITICAL, Level.CRITICAL.value),
    (logging.ERROR, Level.ERROR.value),
    (logging.WARNING, Level.WARN.value),
    (logging.INFO, Level.INFO.value),
)
TRACE_FIELD, PARENT_FIELD = "mplp_trace_id", "mplp_parent_event_id"


class MplpTraceHandler(logging.Handler):
    """Records each log record as an event: its source is the logger, its level and message the record's.

    It goes into the trace that is current where it was logged, or into `trace_id`; without either it is
    dropped. `extra` fields, the exception and the stack are in its data. A formatter is not used: what it
    would put into the message has fields of its own. Nothing raises into the program.
    """

    def __init__(
        self,
        level: int | str = logging.NOTSET,
        *,
        trace_id: str | None = None,
        event_type: str = EVENT_TYPE,
        module: TraceModule | None = None,
    ) -> None:
        super().__init__(level)
        self._trace_id = trace_id
        self._event_type = event_type
        self._module = module
        self._busy = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        """Records it; a fault of its own is left to `handleError`, one of the store is logged."""
        if getattr(self._busy, "now", False):
            return
        self._busy.now = True
        try:
            scope = None if _is_ours(record) else self._scope(record)
            if scope is not None and scope.trace_id is not None:
                scope.keep(self._event(scope, record))
        except TraceError as error:
            complain(error)
        except Exception:
            self.handleError(record)
        finally:
            self._busy.now = False

    def _scope(self, record: logging.LogRecord) -> Scope | None:
        noted = vars(record)
        if self._trace_id is None and TRACE_FIELD not in noted:
            return current()
        trace_id = self._trace_id or noted[TRACE_FIELD]
        parent = noted.get(PARENT_FIELD) if trace_id == noted.get(TRACE_FIELD) else None
        service = self._module.trace_management_service if self._module else default_service()
        return Scope(service, trace_id, parent)

    def _event(self, scope: Scope, record: logging.LogRecord) -> EventRow:
        return scope.made(
            self._event_type,
            data_of(record),
            level=level_of(record.levelno),
            message=cut(record.getMessage(), MOST_MESSAGE),
            source=str(record.name),
            timestamp=int(record.created * 1e6),
        )


class CurrentTrace(logging.Filter):
    """Notes on each record which trace and step are current; it lets every record pass.

    For a QueueHandler, whose records are recorded by another thread.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Notes it."""
        scope = current()
        if scope is not None and not hasattr(record, TRACE_FIELD):
            setattr(record, TRACE_FIELD, scope.trace_id)
            setattr(record, PARENT_FIELD, scope.event_id)
        return True


def level_of(number: int) -> str:
    """The level of an event for the number of a log level: that of the nearest one below it."""
    return next((word for least, word in _LEVELS if number >= least), Level.DEBUG.value)


def data_of(record: logging.LogRecord) -> str:
    """The data of an event: the `extra` fields of a record, its exception and its stack, as JSON text."""
    fields: dict[str, Any] = vars(record)
    members = [(name, captured(value)) for name, value in fields.items() if name not in _KNOWN]
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        members.append(("exception", exception_object(error).text))
    if record.stack_info:
        members.append(("stack", captured(str(record.stack_info))))
    return object_text(members).text if members else EMPTY_OBJECT


def _is_ours(record: logging.LogRecord) -> bool:
    """True for what this package says itself, and for what others say in threads of its own."""
    name = str(record.name)
    own = name == OWN or name.startswith(f"{OWN}.")
    return own or (record.threadName or "").startswith(OWN_THREADS)

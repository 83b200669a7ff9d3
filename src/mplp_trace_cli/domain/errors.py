"""The error tree: every way this tool says no, each with a code, one line of fact and a hint.

Vendor errors (sqlite3, duckdb, OSError) are turned into these at the door of the room that met them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class TraceError(Exception):
    """Something could not be done; `code` is stable, `message` is one line, `hint` names the remedy."""

    code: ClassVar[str] = "error"
    negative: ClassVar[bool] = False
    """True for an answer of "no" (exit code 1), False for "could not be done" (exit code 2)."""

    def __init__(
        self, message: str, *, hint: str | None = None, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details: Mapping[str, Any] = details or {}


class InvalidInput(TraceError):
    """A value that breaks a rule of the domain; the message lists every fault with its path."""

    code = "invalid_input"


class NotFound(TraceError):
    """No trace or event has that id."""

    code = "not_found"
    negative = True


class AmbiguousId(TraceError):
    """A prefix that more than one id begins with."""

    code = "ambiguous_id"
    negative = True


class TraceFinished(TraceError):
    """The trace has ended, so nothing more can be recorded in it."""

    code = "trace_finished"
    negative = True


class AlreadyExists(TraceError):
    """A trace with that id is there already."""

    code = "already_exists"
    negative = True


class StoreMissing(TraceError):
    """There is no store at that path."""

    code = "store_missing"


class StoreBusy(TraceError):
    """Another process holds the store."""

    code = "store_busy"


class StoreDamaged(TraceError):
    """A file of the store cannot be read as what it should be."""

    code = "store_damaged"


class StoreTooNew(TraceError):
    """The store was written by a newer version than this one."""

    code = "store_too_new"


class WrongPair(TraceError):
    """The inbox beside the store belongs to another store."""

    code = "wrong_pair"


class StorageFailed(TraceError):
    """The disk, the file system or its permissions stood in the way."""

    code = "storage_failed"


class BrokenFile(TraceError):
    """An input that is broken as a whole, so that nothing of it was recorded."""

    code = "broken_file"


class ConfigInvalid(TraceError):
    """The configuration file cannot be used as it stands."""

    code = "config_invalid"


class FeatureDisabled(TraceError):
    """The options of this module switch that ability off."""

    code = "feature_disabled"


class QueryFailed(TraceError):
    """A query that is wrong, refused, or was interrupted."""

    code = "query_failed"


class MissingExtra(TraceError):
    """An ability whose packages are not installed."""

    code = "missing_extra"


class DeliveryFailed(TraceError):
    """A notice did not reach people; a permanent failure comes again until something is set right."""

    code = "delivery_failed"

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message, details={"permanent": permanent})
        self.permanent = permanent

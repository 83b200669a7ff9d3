"""Records what workflows and agents do into one local store, and answers questions about it.

>>> from mplp_trace_cli import TraceModuleOptions, initialize_trace_module
>>> with initialize_trace_module(TraceModuleOptions(data_source="traces.duckdb")) as module:
...     service = module.trace_management_service
...     trace = service.create_trace(context_id="ctx-1", name="Nightly").unwrap()
...     event = service.record_event(trace_id=trace.trace_id, event_type="step").unwrap()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mplp_trace_cli.analysis.results import EventQueryResult, TraceQueryResult, TraceWithEvents
    from mplp_trace_cli.config import EventConfig, MetricsConfig, TraceModuleOptions
    from mplp_trace_cli.domain.alerts.alert import AlertState, Severity
    from mplp_trace_cli.domain.alerts.machine import AlertRecord
    from mplp_trace_cli.domain.alerts.report import AlertChange, AlertDelivery, AlertList, AlertReport
    from mplp_trace_cli.domain.comparing.changes import Change
    from mplp_trace_cli.domain.comparing.diff import DiffKind, DiffRow, Pace, TraceDiff
    from mplp_trace_cli.domain.dashboard import DashboardData, DashboardRequest
    from mplp_trace_cli.domain.enums import Level, MetricType, TraceStatus, TraceType
    from mplp_trace_cli.domain.errors import TraceError
    from mplp_trace_cli.domain.event import Event
    from mplp_trace_cli.domain.metric import MetricSample
    from mplp_trace_cli.domain.metrics_data import MetricsData, MetricSeries, MetricsRequest
    from mplp_trace_cli.domain.questions import (
        ColumnMapping,
        EventFilter,
        ExportRequest,
        ImportRequest,
        Pagination,
        PurgeRequest,
        TimeRange,
        TraceAggregation,
        TraceFilter,
    )
    from mplp_trace_cli.domain.requests import (
        CompactReport,
        CreateTraceRequest,
        EndedTrace,
        EndTraceRequest,
        ExpireRequest,
        OperationResult,
        PurgeReport,
        RecordEventRequest,
        RecordMetricRequest,
    )
    from mplp_trace_cli.domain.summary import TraceSummary
    from mplp_trace_cli.domain.trace import Trace
    from mplp_trace_cli.integrations.current import carry, current, event, step, trace, use_module
    from mplp_trace_cli.integrations.decorator import traced
    from mplp_trace_cli.integrations.logging_handler import CurrentTrace, MplpTraceHandler
    from mplp_trace_cli.interchange.exporting.writing import ExportReport
    from mplp_trace_cli.interchange.loading.files import LoadReport
    from mplp_trace_cli.module import TraceModule, initialize_trace_module
    from mplp_trace_cli.service import TraceManagementService
    from mplp_trace_cli.service.following import EventStream
    from mplp_trace_cli.service.listening import EventListener
    from mplp_trace_cli.service.scopes import Scope, StepScope, TraceScope
    from mplp_trace_cli.service.sources import SourceRecorder
    from mplp_trace_cli.storage.groups import Counts
    from mplp_trace_cli.storage.keeping.health import StoreInfo
    from mplp_trace_cli.storage.mending.findings import Finding
    from mplp_trace_cli.storage.mending.repair import RepairReport

__version__ = "1.0.0"

_HOMES = {
    "analysis.results": ("EventQueryResult", "TraceQueryResult", "TraceWithEvents"),
    "config": ("EventConfig", "MetricsConfig", "TraceModuleOptions"),
    "domain.alerts.machine": ("AlertRecord",),
    "domain.alerts.report": ("AlertChange", "AlertDelivery", "AlertList", "AlertReport"),
    "domain.alerts.alert": ("AlertState", "Severity"),
    "domain.dashboard": ("DashboardData", "DashboardRequest"),
    "domain.comparing.changes": ("Change",),
    "domain.comparing.diff": ("DiffKind", "DiffRow", "Pace", "TraceDiff"),
    "domain.enums": ("Level", "MetricType", "TraceStatus", "TraceType"),
    "domain.errors": ("TraceError",),
    "domain.event": ("Event",),
    "domain.metric": ("MetricSample",),
    "domain.metrics_data": ("MetricSeries", "MetricsData", "MetricsRequest"),
    "domain.questions": (
        "ColumnMapping",
        "EventFilter",
        "ExportRequest",
        "ImportRequest",
        "Pagination",
        "PurgeRequest",
        "TimeRange",
        "TraceAggregation",
        "TraceFilter",
    ),
    "domain.requests": (
        "CompactReport",
        "CreateTraceRequest",
        "EndTraceRequest",
        "EndedTrace",
        "ExpireRequest",
        "OperationResult",
        "PurgeReport",
        "RecordEventRequest",
        "RecordMetricRequest",
    ),
    "domain.summary": ("TraceSummary",),
    "domain.trace": ("Trace",),
    "integrations.current": ("carry", "current", "event", "step", "trace", "use_module"),
    "integrations.decorator": ("traced",),
    "integrations.logging_handler": ("CurrentTrace", "MplpTraceHandler"),
    "interchange.exporting.writing": ("ExportReport",),
    "interchange.loading.files": ("LoadReport",),
    "module": ("TraceModule", "initialize_trace_module"),
    "service": ("TraceManagementService",),
    "service.following": ("EventStream",),
    "service.listening": ("EventListener",),
    "service.scopes": ("Scope", "StepScope", "TraceScope"),
    "service.sources": ("SourceRecorder",),
    "storage.groups": ("Counts",),
    "storage.keeping.health": ("StoreInfo",),
    "storage.mending.findings": ("Finding",),
    "storage.mending.repair": ("RepairReport",),
}

__all__ = [
    "AlertChange",
    "AlertDelivery",
    "AlertList",
    "AlertRecord",
    "AlertReport",
    "AlertState",
    "Change",
    "ColumnMapping",
    "CompactReport",
    "Counts",
    "CreateTraceRequest",
    "CurrentTrace",
    "DashboardData",
    "DashboardRequest",
    "DiffKind",
    "DiffRow",
    "EndTraceRequest",
    "EndedTrace",
    "Event",
    "EventConfig",
    "EventFilter",
    "EventListener",
    "EventQueryResult",
    "EventStream",
    "ExpireRequest",
    "ExportReport",
    "ExportRequest",
    "Finding",
    "ImportRequest",
    "Level",
    "LoadReport",
    "MetricSample",
    "MetricSeries",
    "MetricType",
    "MetricsConfig",
    "MetricsData",
    "MetricsRequest",
    "MplpTraceHandler",
    "OperationResult",
    "Pace",
    "Pagination",
    "PurgeReport",
    "PurgeRequest",
    "RecordEventRequest",
    "RecordMetricRequest",
    "RepairReport",
    "Scope",
    "Severity",
    "SourceRecorder",
    "StepScope",
    "StoreInfo",
    "TimeRange",
    "Trace",
    "TraceAggregation",
    "TraceDiff",
    "TraceError",
    "TraceFilter",
    "TraceManagementService",
    "TraceModule",
    "TraceModuleOptions",
    "TraceQueryResult",
    "TraceScope",
    "TraceStatus",
    "TraceSummary",
    "TraceType",
    "TraceWithEvents",
    "carry",
    "current",
    "event",
    "initialize_trace_module",
    "step",
    "trace",
    "traced",
    "use_module",
]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used: a recording command pays for none of them."""
    for home, names in _HOMES.items():
        if name in names:
            from importlib import import_module

            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, which need not be imported yet; what was imported from below is no part of it."""
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])

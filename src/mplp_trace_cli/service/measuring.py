"""The use cases of metrics: recording samples, measuring the system, telling what they amount to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mplp_trace_cli.domain.errors import FeatureDisabled
from mplp_trace_cli.domain.metric import MetricRow, MetricSample, metric_row
from mplp_trace_cli.domain.requests import RecordMetricRequest
from mplp_trace_cli.service.asking import AskingService
from mplp_trace_cli.service.base import operation, request_of, request_or_range

if TYPE_CHECKING:
    from mplp_trace_cli.domain.metrics_data import MetricsData, MetricsRequest
    from mplp_trace_cli.domain.questions import TimeRange
    from mplp_trace_cli.sampling import SystemSampler

DECLARABLE = ("type", "unit", "help", "buckets")


class MeasuringService(AskingService):
    """Records and tells metrics; light to import, since each method imports what it needs."""

    @operation
    def record_metric(
        self, request: RecordMetricRequest | Mapping[str, Any] | None = None, /, **given: Any
    ) -> MetricSample:
        """One sample of a metric, durably recorded; what it does not say is what the options declare."""
        asked = request_of(RecordMetricRequest, request, given)
        config = self._wiring.options.metrics_config
        if not config.enable_custom_metrics:
            raise FeatureDisabled(
                "custom metrics are off", hint="metrics_config.enable_custom_metrics = true"
            )
        fields = asked._asdict()
        declared = config.custom_metrics.get(asked.name, {}) if isinstance(asked.name, str) else {}
        for name in DECLARABLE:
            if fields[name] is None:
                fields[name] = declared.get(name)
        row = metric_row(fields, self._wiring.clock)
        self.record_samples([row])
        return MetricSample.from_row(row)

    def record_samples(self, rows: Iterable[MetricRow]) -> None:
        """Valid samples, durably recorded in one transaction; raises the errors of the inbox."""
        with self._lock:
            self.recorder.record_metrics(rows)

    def system_sampler(self, on_fault: Callable[[str], None]) -> SystemSampler:
        """What measures this machine and the file system of the store."""
        from mplp_trace_cli.sampling import SystemSampler

        return SystemSampler(self.paths.folder, on_fault)

    @operation
    def get_metrics(
        self,
        /,
        time_range: MetricsRequest | TimeRange | Mapping[str, Any] | None = None,
        metric_types: Iterable[str] | None = None,
        **given: Any,
    ) -> MetricsData:
        """System, application and custom metrics over a range, the last 24 hours where none is given.

        Keywords are the other fields of MetricsRequest: `names`, `bucket`, `trend`.
        """
        from mplp_trace_cli.analysis.metrics import get_metrics, question_of
        from mplp_trace_cli.domain.metrics_data import MetricsRequest

        request, fields = request_or_range(time_range)
        if metric_types is not None:
            fields["metric_types"] = tuple(metric_types)
        asked: MetricsRequest = request_of(MetricsRequest, request, {**fields, **given})
        question = question_of(asked, self._wiring.options, self._wiring.clock())
        with self.reading() as db:
            return get_metrics(db, question)

    @operation
    def export_metrics(
        self, format: str = "prometheus", time_range: TimeRange | Mapping[str, Any] | None = None
    ) -> str:
        """All metrics as text for a scraper, `prometheus` or `openmetrics`; application metrics over a range.

        The range is the last hour where none is given. Needs prometheus-client (MissingExtra).
        """
        from mplp_trace_cli.analysis.metric_families import EXPORT_RANGE_US, metric_families
        from mplp_trace_cli.analysis.metrics import question_of
        from mplp_trace_cli.domain.metrics_data import MetricsRequest
        from mplp_trace_cli.domain.questions import TimeRange
        from mplp_trace_cli.interchange.prometheus import check_format, exposition

        check_format(format)
        now = self._wiring.clock()
        asked = MetricsRequest(time_range or TimeRange(now - EXPORT_RANGE_US))
        question = question_of(asked, self._wiring.options, now)
        with self.reading() as db:
            families = metric_families(db, question)
        return exposition(families, format)

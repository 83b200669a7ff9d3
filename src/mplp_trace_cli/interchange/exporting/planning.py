"""What an export shall be: its format, compression and shape, decided before anything is written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from mplp_trace_cli.domain.checks import has_surrogate
from mplp_trace_cli.domain.enums import unknown_word
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.questions import ExportRequest
from mplp_trace_cli.interchange.exporting.targets import STDOUT
from mplp_trace_cli.interchange.formats import FOLDERS, OUTPUT_FORMATS, SUFFIXES, WITHOUT_METRICS

COMPRESSIONS = ("none", "gzip", "zstd", "snappy")
PARTITIONS = ("day", "month", "context_id")
_PACKED = {".gz": "gzip", ".zst": "zstd"}
_TABULAR = ("csv", "parquet")


@dataclass(frozen=True)
class ExportPlan:
    """An export with everything decided."""

    destination: str
    format: str
    compression: str
    include_events: bool
    include_metrics: bool
    partition_by: str | None
    csv_safe: bool
    umask: int

    @property
    def tables(self) -> list[str]:
        """What is written: traces, and the tables that are wanted beside them."""
        named = [
            ("events", self.include_events),
            ("metrics", self.include_metrics and self.format not in WITHOUT_METRICS),
        ]
        return ["traces", *(name for name, wanted in named if wanted)]

    @property
    def packed_suffix(self) -> str:
        """The end of the name of a file in a folder."""
        return {"gzip": ".gz", "zstd": ".zst"}.get(self.compression, "")

    @property
    def is_folder(self) -> bool:
        """True for a folder of files, one a table or a signal."""
        if self.format in FOLDERS:
            return self.destination.endswith("/")
        return self.format in _TABULAR and (len(self.tables) > 1 or self.partition_by is not None)

    @property
    def is_named_as_table(self) -> bool:
        """True when the suffix of the destination is that of a file of csv or parquet."""
        return _from_suffix(self.destination)[0] in _TABULAR


def plan_export(request: ExportRequest) -> ExportPlan:
    """Decides format, compression and shape; raises InvalidInput for what does not fit together."""
    if has_surrogate(request.destination):
        raise InvalidInput(f"{request.destination}: the path of an export must be UTF-8")
    suffix_format, suffix_packed = _from_suffix(request.destination)
    chosen = _format(request, suffix_format)
    compression = _compression(request, chosen, suffix_packed)
    if request.partition_by is not None:
        _one_of("partition_by", request.partition_by, PARTITIONS)
        if chosen not in _TABULAR:
            raise InvalidInput("partition_by: is for csv and parquet", hint="--format parquet")
    if request.csv_safe and chosen != "csv":
        raise InvalidInput("csv_safe: is for csv", hint="--format csv")
    events = chosen not in _TABULAR if request.include_events is None else request.include_events
    plan = ExportPlan(
        request.destination,
        chosen,
        compression,
        events,
        request.include_metrics,
        request.partition_by,
        request.csv_safe,
        _umask() if request.umask is None else request.umask,
    )
    _check_place(plan)
    return plan


def _format(request: ExportRequest, said: str | None) -> str:
    """The format that is asked for, else that of the suffix."""
    chosen = request.format or said
    if chosen is None:
        raise InvalidInput(
            f"{request.destination}: its suffix tells no format",
            hint=f"--format {'|'.join(OUTPUT_FORMATS)}",
        )
    _one_of("format", chosen, OUTPUT_FORMATS)
    return chosen


def _compression(request: ExportRequest, chosen: str, said: str | None) -> str:
    """The compression that is asked for, else that of the suffix, else what suits the format."""
    compression = request.compression or said or ("zstd" if chosen == "parquet" else "none")
    _one_of("compression", compression, COMPRESSIONS)
    if said is not None and compression != said:
        raise InvalidInput(f"compression: {compression} does not fit the suffix of {request.destination}")
    if compression == "snappy" and chosen != "parquet":
        raise InvalidInput("compression: snappy is for parquet", hint="--compression gzip, or zstd")
    return compression


def _check_place(plan: ExportPlan) -> None:
    """Raises InvalidInput for a folder that would have to be a file, or the other way round."""
    if plan.destination == STDOUT and plan.is_folder:
        raise InvalidInput("a folder cannot go to standard output", hint="-o FOLDER")
    if plan.format in FOLDERS and not plan.is_folder and os.path.isdir(plan.destination):
        hint = f"-o {plan.destination}/ writes a file a signal"
        raise InvalidInput(f"{plan.destination} is a folder", hint=hint)


def _from_suffix(destination: str) -> tuple[str | None, str | None]:
    stem, suffix = os.path.splitext(destination.lower())
    packed = _PACKED.get(suffix)
    if packed:
        stem, suffix = os.path.splitext(stem)
    doubled = os.path.splitext(stem)[1] + suffix
    return SUFFIXES.get(doubled) or SUFFIXES.get(suffix), packed


def _one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise InvalidInput(f"{name}: {unknown_word(allowed, value)}")


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask

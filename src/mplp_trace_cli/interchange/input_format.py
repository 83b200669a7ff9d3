"""Which format a file is of, and what a module that reads a format is given and gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module

from mplp_trace_cli.domain.enums import unknown_word
from mplp_trace_cli.domain.errors import InvalidInput
from mplp_trace_cli.domain.questions import ColumnMapping
from mplp_trace_cli.interchange.decoding.batches import Decoded, DecodingRules
from mplp_trace_cli.interchange.formats import AUTO, INPUT_FORMATS, READERS
from mplp_trace_cli.interchange.loading.bulk import DerivedTraces
from mplp_trace_cli.interchange.sources import Readable, Source


@dataclass(frozen=True)
class Opened:
    """A file that is open, its first bytes as they lie there, and how it is to be read."""

    stream: Readable
    """What comes after `head`."""
    head: bytes
    source: Source
    rules: DecodingRules
    mapping: ColumnMapping


@dataclass(frozen=True)
class InputFormat:
    """How files of one format are read."""

    read: Callable[[Opened], Iterator[Decoded]]
    derived: DerivedTraces | None = None
    """How traces are made of a format that tells of events alone."""
    has_columns: bool = False
    """True for tables, whose columns a mapping names."""


def require_known(name: str) -> None:
    """Raises InvalidInput for a format that there is not."""
    if name not in INPUT_FORMATS:
        raise InvalidInput(f"input format: {unknown_word(INPUT_FORMATS, name)}")


def _check_mapping(found: InputFormat, name: str, opened: Opened) -> None:
    if opened.mapping != ColumnMapping() and not found.has_columns:
        raise InvalidInput(
            f"{opened.source.name} is {name}: a mapping of columns is for csv and parquet",
            hint="leave away --map, --default, --time-format and --duration-unit, or --input-format csv",
        )


def input_format(name: str, opened: Opened) -> InputFormat:
    """The format of that name; of `auto` the first that the file looks like."""
    names = READERS if name == AUTO else (name,)
    for one in names:
        module = import_module(f"mplp_trace_cli.interchange.{READERS[one]}")
        if name != AUTO or module.looks_like(opened.head, opened.source.path):
            found: InputFormat = module.FORMAT
            _check_mapping(found, one, opened)
            return found
    raise InvalidInput(f"{opened.source.name}: of no format that is known", hint="--input-format FORMAT")

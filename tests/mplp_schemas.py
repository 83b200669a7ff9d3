"""The MPLP v1.0 schemas as a validator, for tests: times and identifiers are checked too."""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator, FormatChecker
from referencing import Registry, Resource

CHECKER = FormatChecker()
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


@CHECKER.checks("date-time", raises=ValueError)
def is_date_time(value: object) -> bool:
    """True for RFC 3339 and a moment that exists."""
    if not isinstance(value, str):
        return True
    datetime.fromisoformat(value)
    return _RFC3339.fullmatch(value) is not None


@cache
def validator(conformance: Path) -> Draft7Validator:
    """Checks trace documents; what the schemas refer to is found beside them."""
    folder = conformance / "mplp-v1-schemas"
    schemas = [json.loads(path.read_text()) for path in folder.rglob("*.schema.json")]
    registry: Registry[Any] = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in schemas
    )
    [trace] = [schema for schema in schemas if schema["$id"].endswith("/mplp-trace.schema.json")]
    return Draft7Validator(trace, registry=registry, format_checker=CHECKER)


def faults(conformance: Path, document: Any) -> list[str]:
    """What is wrong with a document."""
    found = validator(conformance).iter_errors(document)
    return [f"{fault.json_path}: {fault.message[:200]}" for fault in found]

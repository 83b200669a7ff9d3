"""The formats by name: which module of this room reads each, and which writes it.

A module that reads has `looks_like(head, path)`, true when the first bytes of a file or its name say that it
is of this format, and `FORMAT`, an InputFormat. One that writes has `write(export, stream)`, and
`write_folder(export, folder)` where it can be a folder of files; both tell what was not carried. All are
imported when they are needed; this one costs nothing, and is what the command line knows of them.
"""

from __future__ import annotations

AUTO = "auto"
READERS = {
    "parquet": "tables.parquet",
    "otlp": "otlp.reading",
    "chrome": "chrome.reading",
    "csv": "tables.csv",
    "mplp": "mplp.reading",
    "json": "json.documents",
    "jsonl": "json.lines",
}
"""In the order in which a file is tried: JSON lines are what is left."""
WRITERS = {
    "json": "json.writing",
    "jsonl": "json.writing",
    "csv": "tables.writing",
    "parquet": "tables.writing",
    "chrome": "chrome.writing",
    "mplp": "mplp.writing",
    "otlp": "otlp.writing",
}
WITHOUT_METRICS = ("mplp",)
"""The formats that have no place for metric samples."""
FOLDERS = ("otlp",)
"""Of these the formats that are a folder of files where the destination ends in `/`."""
INPUT_FORMATS = (AUTO, *sorted(READERS))
OUTPUT_FORMATS = tuple(WRITERS)
SUFFIXES = {
    ".mplp.json": "mplp",
    ".mplp.jsonl": "mplp",
    ".mplp.ndjson": "mplp",
    ".chrome.json": "chrome",
    ".perfetto.json": "chrome",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".otlp.json": "otlp",
    ".otlp.jsonl": "otlp",
    ".otlp": "otlp",
    ".pb": "otlp",
    ".binpb": "otlp",
}
"""What a file is called; a suffix of two parts, such as `.otlp.json`, wins over its last part."""

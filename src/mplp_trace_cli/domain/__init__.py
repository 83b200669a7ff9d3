"""What a trace and an event are, and which values are valid. Pure: no I/O, imports nothing of ours.

- records: `trace`, `event`, `metric`; an event as plain values is in `event_row` and `event_columns`;
  `lines` makes one JSON line one record
- what is valid: `checks`, `enums`, `ids`, `errors`; `standard` has the fields of the standard events,
  `catalogue` the events of the modules
- asked and answered: `requests`, `questions`, `matching`, `summary`, `tree`, `dashboard`, `metrics_data`
- rooms of their own: `alerts`, `comparing`
- metrics by name: `metric_catalog`, `metric_families`, `units`
- times and texts: `times`, `buckets`, `json_text`, `globs`, `words`, `visible`
- as others say it: `foreign`, `time_formats`, `w3c`; `captured` has the values of a program
- around it: `processes` says which process a trace is of, `extras` which packages may be missing
"""

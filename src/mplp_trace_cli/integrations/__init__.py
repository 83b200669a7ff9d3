"""Ways in from Python: context managers, a decorator, a logging handler, an OpenTelemetry exporter."""

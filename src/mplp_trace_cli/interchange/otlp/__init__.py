"""OpenTelemetry's OTLP, in and out: spans, log records and metric points as events of ours, and back."""

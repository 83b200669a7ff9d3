"""OpenTelemetry's protocol as files: OTLP/JSON and protobuf, in and out."""

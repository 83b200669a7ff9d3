-- Traces that are written as spans to OTLP: all but those that were made of spans.
SELECT
    trace_id,
    context_id,
    execution_id,
    trace_type,
    name,
    description,
    status,
    metadata,
    to_json(tags)::VARCHAR,
    epoch_us(started_at),
    epoch_us(completed_at),
    epoch_us(expires_at)
FROM chosen_traces
WHERE metadata <> '{"otlp":{}}'
ORDER BY seq

-- What is kept of some traces, as plain values; the ids come as one JSON text.
SELECT
    trace_id, context_id, execution_id, trace_type, name, description, metadata, to_json(tags)::VARCHAR,
    epoch_us(started_at), epoch_us(expires_at), status, epoch_us(completed_at)
FROM traces
WHERE trace_id IN (SELECT unnest(from_json($ids, '["VARCHAR"]')));

-- Events for OTLP, in the order in which they arrived, but that the events of a span, which are kept as events
-- of ours, follow their span, even if they came first: OTLP holds them inside it. `has_root` is true in traces
-- that are spans themselves.
WITH inside AS (
    SELECT trace_id, parent_event_id, seq FROM chosen_events WHERE contains(data, '"otlp":{"signal":"event"')
),
places AS (
    SELECT inside.seq, span.seq AS place
    FROM inside JOIN chosen_events AS span
        ON span.trace_id = inside.trace_id AND span.event_id = inside.parent_event_id
)
SELECT
    e.event_id,
    e.trace_id,
    e.event_type,
    e.level::VARCHAR,
    e.message,
    e.data,
    epoch_us(e.timestamp),
    e.duration_ms,
    e.parent_event_id,
    e.source,
    coalesce(t.metadata <> '{"otlp":{}}', false) AS has_root
FROM chosen_events AS e
LEFT JOIN chosen_traces AS t ON t.trace_id = e.trace_id
LEFT JOIN places ON places.seq = e.seq
ORDER BY coalesce(places.place, e.seq), places.place IS NOT NULL, e.seq

-- The newest event of each of some traces; the ids come as one JSON text.
SELECT trace_id, arg_max(event_type, (timestamp, seq)), epoch_us(max(timestamp))
FROM events
WHERE trace_id IN (SELECT unnest(from_json($ids, '["VARCHAR"]')))
GROUP BY trace_id;

-- The events that some traces had before a moment, newest first: a given id that is among them is a repeat.
-- The ids of the traces come as one JSON text.
SELECT trace_id, event_id
FROM store.event_log
WHERE trace_id IN (SELECT unnest(from_json($traces, '["VARCHAR"]'))) AND seq < $before
ORDER BY seq DESC
LIMIT $most;

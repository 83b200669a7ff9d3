-- Which of some traces have an end in the store; the ids come as one JSON text.
SELECT trace_id FROM store.trace_ends WHERE trace_id IN (SELECT unnest(from_json($ids, '["VARCHAR"]')));

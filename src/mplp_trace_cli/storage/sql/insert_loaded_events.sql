-- A decoded batch into the log; `number` is the line, which gives the order of arrival, `data` an expression of ours
-- that puts together what was cut.
INSERT INTO store.event_log
SELECT
    {first_seq} + number, event_id, trace_id, event_type, level, message, {data}, make_timestamptz(timestamp),
    duration_ms, parent_event_id, source
FROM batch;

-- The active traces, oldest first, and when something happened last in each: it started, or an event.
WITH unfinished AS MATERIALIZED (SELECT * FROM traces WHERE status = 'active')
SELECT trace_id, name, metadata, epoch_us(started_at), epoch_us(greatest(started_at, newest))
FROM unfinished LEFT JOIN (
    SELECT trace_id, max(timestamp) AS newest FROM events SEMI JOIN unfinished USING (trace_id) GROUP BY trace_id
) USING (trace_id)
ORDER BY started_at, seq;

-- The same as stage_events for a batch in which no event came with an id of its own.
INSERT INTO new_event_log
SELECT
    seq, cells[1] AS event_id, cells[2] AS trace_id, cells[3] AS event_type,
    TRY_CAST(cells[4] AS ENUM ('debug', 'info', 'warn', 'error', 'critical')) AS level,
    cells[5], cells[6] AS data, make_timestamptz(TRY_CAST(cells[7] AS BIGINT)) AS timestamp,
    TRY_CAST(cells[8] AS DOUBLE) AS duration_ms, cells[9], cells[10]
FROM entry
WHERE
    kind = 'event' AND len(cells) = 10
    AND event_id IS NOT NULL AND trace_id IS NOT NULL AND event_type IS NOT NULL AND level IS NOT NULL
    AND data IS NOT NULL AND TRY_CAST(cells[7] AS BIGINT) BETWEEN -62135596800000000 AND 253402300799999999
    AND (cells[8] IS NULL OR duration_ms IS NOT NULL);

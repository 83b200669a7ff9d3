-- New events. One whose id was given is stored once a trace, however long ago the first one came;
-- a generated id needs no look at the events that are there. The semi-join comes first so that the
-- few new ids, not the whole log, are what is hashed.
INSERT INTO new_event_log
WITH event AS MATERIALIZED (
    SELECT
        seq, kind, cells[1] AS event_id, cells[2] AS trace_id, cells[3] AS event_type,
        TRY_CAST(cells[4] AS ENUM ('debug', 'info', 'warn', 'error', 'critical')) AS level,
        cells[5] AS message, cells[6] AS data,
        make_timestamptz(TRY_CAST(cells[7] AS BIGINT)) AS timestamp,
        TRY_CAST(cells[8] AS DOUBLE) AS duration_ms, cells[9] AS parent_event_id, cells[10] AS source
    FROM entry
    WHERE
        kind IN ('event', 'event_with_id') AND len(cells) = 10
        AND event_id IS NOT NULL AND trace_id IS NOT NULL AND event_type IS NOT NULL AND level IS NOT NULL
        AND data IS NOT NULL AND TRY_CAST(cells[7] AS BIGINT) BETWEEN -62135596800000000 AND 253402300799999999
        AND (cells[8] IS NULL OR duration_ms IS NOT NULL)
),
repeated AS MATERIALIZED (
    SELECT trace_id, event_id
    FROM (SELECT trace_id, event_id FROM store.event_log UNION ALL SELECT trace_id, event_id FROM new_event_log)
    SEMI JOIN (SELECT trace_id, event_id FROM event WHERE kind = 'event_with_id') USING (trace_id, event_id)
)
SELECT
    seq, event_id, trace_id, event_type, level, message, data, timestamp, duration_ms, parent_event_id, source
FROM event ANTI JOIN repeated USING (trace_id, event_id)
QUALIFY kind = 'event' OR row_number() OVER (PARTITION BY trace_id, event_id ORDER BY seq) = 1
ORDER BY seq;

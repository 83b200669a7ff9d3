-- Ends of traces: a trace ends once.
INSERT INTO new_trace_ends
SELECT seq, cells[1], cells[2], make_timestamptz(TRY_CAST(cells[3] AS BIGINT)) AS ended_at
FROM entry
WHERE
    kind = 'end' AND len(cells) = 3 AND cells[1] IS NOT NULL AND cells[2] IN ('completed', 'failed', 'cancelled', 'expired')
    AND TRY_CAST(cells[3] AS BIGINT) BETWEEN -62135596800000000 AND 253402300799999999
    AND cells[1] NOT IN (SELECT trace_id FROM store.trace_ends UNION ALL SELECT trace_id FROM new_trace_ends)
QUALIFY row_number() OVER (PARTITION BY cells[1] ORDER BY seq) = 1
ORDER BY seq;

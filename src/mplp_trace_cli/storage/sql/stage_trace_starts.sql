-- New traces: the first start of an id wins.
INSERT INTO new_trace_starts
SELECT
    seq, cells[1], cells[2], cells[3], cells[4], cells[5], cells[6], cells[7],
    TRY(from_json(cells[8], '["VARCHAR"]')) AS tags,
    make_timestamptz(TRY_CAST(cells[9] AS BIGINT)) AS started_at,
    make_timestamptz(TRY_CAST(cells[10] AS BIGINT))
FROM entry
WHERE
    kind = 'start' AND len(cells) = 10
    AND cells[1] IS NOT NULL AND cells[2] IS NOT NULL AND cells[4] IS NOT NULL AND cells[5] IS NOT NULL
    AND cells[7] IS NOT NULL AND tags IS NOT NULL
    AND TRY_CAST(cells[9] AS BIGINT) BETWEEN -62135596800000000 AND 253402300799999999
    AND (cells[10] IS NULL OR TRY_CAST(cells[10] AS BIGINT) BETWEEN -62135596800000000 AND 253402300799999999)
    AND cells[1] NOT IN (SELECT trace_id FROM store.trace_starts UNION ALL SELECT trace_id FROM new_trace_starts)
QUALIFY row_number() OVER (PARTITION BY cells[1] ORDER BY seq) = 1
ORDER BY seq;

-- Metric samples.
INSERT INTO new_metric_samples
SELECT
    seq, cells[1], cells[2], TRY_CAST(cells[3] AS DOUBLE) AS value, cells[4], cells[5], cells[6], cells[7],
    make_timestamptz(TRY_CAST(cells[8] AS BIGINT)) AS timestamp
FROM entry
WHERE
    kind = 'metric' AND len(cells) = 8 AND cells[1] IS NOT NULL AND cells[2] IS NOT NULL
    AND value IS NOT NULL AND cells[6] IS NOT NULL
    AND TRY_CAST(cells[8] AS BIGINT) BETWEEN -62135596800000000 AND 253402300799999999;

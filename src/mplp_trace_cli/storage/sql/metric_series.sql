-- The figures of each series in each cell of time; one cell is as wide as the question's range when nobody
-- asks for buckets. fsum, because a plain sum of many floats drifts.
SELECT
    category, name, type, unit, labels,
    (epoch_us(timestamp) - $origin) // $width AS cell,
    count(*) AS samples,
    arg_max(value, (timestamp, seq)) AS newest,
    fsum(value) AS sum,
    min(value) AS min,
    max(value) AS max,
    quantile_cont(value, [0.5, 0.95, 0.99]) AS percentiles,
    epoch_us(max(timestamp)) AS timestamp,
    arg_max(help, (timestamp, seq)) FILTER (help IS NOT NULL) AS help
FROM reading
GROUP BY ALL
ORDER BY category, name, type, unit NULLS FIRST, labels, cell;

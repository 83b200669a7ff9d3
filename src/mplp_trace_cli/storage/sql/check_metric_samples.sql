-- What may be wrong with metric samples, in one scan that reads every column.
SELECT
    count(*) AS rows,
    count_if(name = '') AS empty,
    count_if(NOT isfinite(timestamp) OR timestamp > make_timestamptz($late::BIGINT)) AS late,
    count_if(NOT isfinite(value)) AS figures,
    sum(strlen(concat(type, unit, help, labels, buckets)) + seq % 2) AS size
FROM store.metric_samples;

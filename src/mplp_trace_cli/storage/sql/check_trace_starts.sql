-- What may be wrong with the beginnings of traces, in one scan that reads every column.
SELECT
    count(*) AS rows,
    count(*) - count(DISTINCT trace_id) AS repeated,
    count_if(trace_id = '' OR context_id = '' OR name = '') AS empty,
    count_if(NOT isfinite(started_at) OR started_at > make_timestamptz($late::BIGINT)) AS late,
    count_if(expires_at <= started_at) AS ends_first,
    sum(strlen(concat(execution_id, trace_type, description, metadata, tags::VARCHAR)) + seq % 2) AS size
FROM store.trace_starts;

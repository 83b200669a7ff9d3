-- Figures of traces: a row for each window (bucket NULL) and a row for each bucket of this one (is_now NULL).
WITH judged AS (
    SELECT
        started >= $start AS is_now,
        if(started >= $start, started - (started - $origin) % $width, NULL) AS bucket,
        status,
        duration_ms,
        status = 'failed' OR trace_id IN (SELECT trace_id FROM dashboard_error) AS has_errors
    FROM dashboard_trace
)
SELECT
    is_now,
    bucket,
    count(*) AS traces,
    count_if(status = 'completed') AS completed,
    count_if(status <> 'active') AS finished,
    count_if(has_errors) AS with_errors,
    avg(duration_ms) AS response_time,
    {p95} AS p95_response_time
FROM judged
GROUP BY GROUPING SETS ((is_now), (bucket));

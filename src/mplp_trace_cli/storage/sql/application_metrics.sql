-- What traces and events amount to in each cell of time; a trace belongs where it started. A trace is active
-- at the end of a cell when it started before and had not ended before: those before the first cell, and a
-- running sum over the starts and ends in the cells.
WITH
cell AS (SELECT unnest(range($cells)) AS cell),
trace AS MATERIALIZED (
    SELECT
        trace_id, status, duration_ms,
        epoch_us(started_at) AS started, epoch_us(completed_at) AS ended
    FROM traces
    WHERE started_at < make_timestamptz($end::BIGINT)
),
started AS MATERIALIZED (SELECT * FROM trace WHERE started >= $start),
failed AS (
    SELECT DISTINCT trace_id
    FROM events SEMI JOIN started USING (trace_id)
    WHERE level IN ('error', 'critical')
),
starts AS (
    SELECT
        (started - $origin) // $width AS cell,
        count(*) AS traces,
        avg(duration_ms) FILTER (ended IS NOT NULL) AS response_time_avg,
        count_if(status = 'failed' OR failed.trace_id IS NOT NULL) AS with_errors
    FROM started LEFT JOIN failed USING (trace_id)
    GROUP BY ALL
),
ends AS (
    SELECT (ended - $origin) // $width AS cell, count(*) AS traces
    FROM trace
    WHERE ended >= $start AND ended < $end
    GROUP BY ALL
),
happened AS (
    SELECT (epoch_us(timestamp) - $origin) // $width AS cell, count(*) AS events
    FROM events
    WHERE timestamp >= make_timestamptz($start::BIGINT) AND timestamp < make_timestamptz($end::BIGINT)
    GROUP BY ALL
)
SELECT
    cell,
    coalesce(starts.traces, 0) AS request_count,
    starts.response_time_avg,
    starts.with_errors / starts.traces AS error_rate,
    (SELECT count(*) FROM trace WHERE started < $start AND (ended IS NULL OR ended >= $start))
    + sum(coalesce(starts.traces, 0) - coalesce(ends.traces, 0)) OVER (ORDER BY cell) AS active_traces,
    coalesce(events, 0) AS events
FROM cell LEFT JOIN starts USING (cell) LEFT JOIN ends USING (cell) LEFT JOIN happened USING (cell)
ORDER BY cell;

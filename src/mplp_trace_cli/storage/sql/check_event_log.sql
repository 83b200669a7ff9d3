-- What may be wrong with events, in one scan that reads every column, and with it checks every block.
SELECT
    count(*) AS rows,
    count_if(event_id = '' OR trace_id = '' OR event_type = '') AS empty,
    count_if(NOT isfinite(timestamp) OR timestamp > make_timestamptz($late::BIGINT)) AS late,
    count_if(NOT isfinite(duration_ms) OR duration_ms < 0) AS durations,
    count_if(trace_id NOT IN (SELECT trace_id FROM store.trace_starts)) AS orphans,
    min(trace_id) FILTER (trace_id NOT IN (SELECT trace_id FROM store.trace_starts)) AS orphan,
    sum(strlen(data) + coalesce(strlen(message), 0) + coalesce(strlen(source), 0)
        + coalesce(strlen(parent_event_id), 0) + seq % 2) AS size,
    max(level) AS level
FROM store.event_log;

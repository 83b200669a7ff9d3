-- What may be wrong with the ends of traces, in one scan that reads every column.
SELECT
    count(*) AS rows,
    count(*) - count(DISTINCT e.trace_id) AS repeated,
    count_if(s.trace_id IS NULL) AS orphans,
    min(e.trace_id) FILTER (s.trace_id IS NULL) AS orphan,
    count_if(e.ended_at <= s.started_at) AS ends_first,
    min(e.trace_id) FILTER (e.ended_at <= s.started_at) AS sample,
    sum(strlen(status) + e.seq % 2) AS size
FROM store.trace_ends AS e
LEFT JOIN (SELECT trace_id, min(started_at) AS started_at FROM store.trace_starts GROUP BY ALL) AS s USING (trace_id);

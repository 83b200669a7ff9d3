-- How much each whole day before this one holds of what may go, oldest first, and how much there is in all:
-- days of 86,400 s since 1970 in which finished traces ended and samples were measured.
WITH
finished AS MATERIALIZED (
    SELECT trace_id, epoch_us(completed_at) // 86400000000 AS day FROM traces WHERE status <> 'active'
),
weighed AS (
    SELECT day, 60 + strlen(data) + coalesce(strlen(message), 0) AS weight FROM events LEFT JOIN finished USING (trace_id)
    UNION ALL
    SELECT epoch_us(timestamp) // 86400000000, 30 + strlen(labels) FROM metrics
    UNION ALL
    SELECT day, 100 + strlen(trace_id) + strlen(name) + strlen(metadata) FROM traces LEFT JOIN finished USING (trace_id)
)
SELECT if(day < $today, day, NULL) AS day, sum(weight) FROM weighed GROUP BY ALL ORDER BY day NULLS LAST;

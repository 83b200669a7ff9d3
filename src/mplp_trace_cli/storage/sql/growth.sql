-- What came in on each day of a range, days counted from 1970: traces by their start, events by their time.
SELECT day, sum(traces)::BIGINT, sum(events)::BIGINT
FROM (
    SELECT epoch_us(started_at) // 86400000000 AS day, 1 AS traces, 0 AS events
    FROM traces
    WHERE started_at >= make_timestamptz($start::BIGINT) AND started_at <= make_timestamptz($end::BIGINT)
    UNION ALL
    SELECT epoch_us(timestamp) // 86400000000, 0, count(*)
    FROM events
    WHERE timestamp >= make_timestamptz($start::BIGINT) AND timestamp <= make_timestamptz($end::BIGINT)
    GROUP BY ALL
)
GROUP BY day
ORDER BY day;

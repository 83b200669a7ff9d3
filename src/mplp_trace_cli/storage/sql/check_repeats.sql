-- Events that are there twice: one id twice in a trace, or one number of arrival twice. Of a large log one in
-- `part` is looked at, chosen by the value itself, so that a block of rows that is there twice is
-- always found. The casts keep the numbers as they are stored: without them both are computed in 128 bits.
SELECT
    (
        SELECT coalesce(sum(more), 0) FROM (
            SELECT count(*) - 1 AS more FROM store.event_log
            WHERE hash(event_id) % $part::UBIGINT = 0 GROUP BY trace_id, event_id HAVING count(*) > 1
        )
    ) AS ids,
    (
        SELECT coalesce(sum(more), 0) FROM (
            SELECT count(*) - 1 AS more FROM store.event_log WHERE seq % $part::BIGINT = 0 GROUP BY seq HAVING count(*) > 1
        )
    ) AS numbers;

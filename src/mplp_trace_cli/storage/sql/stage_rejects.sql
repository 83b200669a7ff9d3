-- Lines that could not be recorded, and entries that none of the other stages could take: nothing is
-- lost and nobody is blocked. An event left out because its id was there already is no reject.
INSERT INTO new_rejected_lines
SELECT
    seq, coalesce(cells[1], 'inbox'), coalesce(TRY_CAST(cells[2] AS BIGINT), 0),
    coalesce(TRY_CAST(cells[3] AS BIGINT), 0), coalesce(cells[4], 'unknown'),
    coalesce(TRY(from_base64(cells[5])), encode(body)), coalesce(TRY(make_timestamptz(TRY_CAST(cells[6] AS BIGINT))), {now})
FROM entry
WHERE kind = 'reject'
UNION ALL
SELECT seq, 'inbox', seq, 0, 'could not be folded: ' || kind, encode(body), {now}
FROM entry
WHERE
    kind <> 'reject'
    AND seq NOT IN (
        SELECT seq FROM new_trace_starts UNION ALL SELECT seq FROM new_trace_ends
        UNION ALL SELECT seq FROM new_event_log UNION ALL SELECT seq FROM new_metric_samples
    )
    AND NOT (kind = 'event_with_id' AND coalesce(len(cells) = 10, false) AND (cells[2], cells[1]) IN (
        SELECT (trace_id, event_id) FROM store.event_log UNION ALL SELECT (trace_id, event_id) FROM new_event_log
    ));

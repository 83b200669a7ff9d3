-- Lines that could not be recorded, and entries that none of the other stages could take: nothing is
-- lost and nobody is blocked. What was left out because it was there already is no reject: an event by its id;
-- the begin of a trace that spans tell of, and its end, which each process that has spans of it may tell.
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
    ))
    AND NOT (kind = 'start' AND coalesce(cells[7] = '{{"otlp":{{}}}}' AND cells[1] IN (
        SELECT trace_id FROM store.trace_starts UNION ALL SELECT trace_id FROM new_trace_starts
    ), false))
    AND NOT (kind = 'end' AND coalesce(cells[1] IN (
        SELECT trace_id FROM store.trace_starts WHERE metadata = '{{"otlp":{{}}}}'
        UNION ALL SELECT trace_id FROM new_trace_starts WHERE metadata = '{{"otlp":{{}}}}'
    ) AND cells[1] IN (
        SELECT trace_id FROM store.trace_ends UNION ALL SELECT trace_id FROM new_trace_ends
    ), false));

-- The errors of the window whose messages are alike, most first. Folded away are, in this order: UUIDs, hex
-- that says so, numbers that stand alone, hex of eight digits and more, words in which letters stand between
-- digits, and the digits that are left.
SELECT
    pattern,
    count(*) AS count,
    count(DISTINCT trace_id) AS traces,
    arg_max(event_type, (happened, seq)) AS event_type,
    arg_max_null(source, (happened, seq)) AS source,
    min(happened) AS first_seen,
    max(happened) AS last_seen,
    arg_max_null(message, (happened, seq)) AS message,
    arg_max(trace_id, (happened, seq)) AS trace_id
FROM (
    SELECT
        *,
        regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(
            coalesce(nullif(message, ''), event_type),
            '\b[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b', '<id>', 'g'),
            '\b0[xX][0-9a-fA-F]+\b', '<hex>', 'g'),
            '\b[0-9]+([.,:][0-9]+)*\b', '<n>', 'g'),
            '\b[0-9a-fA-F]{8,}\b', '<id>', 'g'),
            '[0-9A-Za-z]*[0-9][A-Za-z]+[0-9][0-9A-Za-z]*', '<id>', 'g'),
            '[0-9]+', '<n>', 'g') AS pattern
    FROM dashboard_error
    WHERE happened >= $start AND happened < $end
)
GROUP BY pattern
ORDER BY count DESC, last_seen DESC, pattern
LIMIT $most;

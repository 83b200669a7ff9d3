-- What trace documents are made of, in the order in which it is written: a trace (part 0), its events that may
-- make segments (1), and all of its events (2), each in the order in which they came. The cell after the
-- time of an event of part 1 is 1 when its parent makes a segment too. Nothing is materialized: beside what is sorted
-- it would not fit into the memory that a store may use.
WITH spanning AS NOT MATERIALIZED (
    SELECT * FROM chosen_events
    WHERE
        duration_ms IS NOT NULL
        OR event_type IN ('stage_started', 'stage_completed', 'stage_failed', 'mplp.segment')
),
parents AS NOT MATERIALIZED (
    SELECT DISTINCT trace_id, event_id FROM spanning WHERE event_type NOT IN ('stage_completed', 'stage_failed')
),
parts AS NOT MATERIALIZED (
    SELECT
        0 AS part, trace_id, seq, context_id AS c1, execution_id AS c2, trace_type AS c3, name AS c4,
        description AS c5, status AS c6, metadata AS c7, to_json(tags)::VARCHAR AS c8,
        epoch_us(started_at) AS at, epoch_us(completed_at) AS ended_at, epoch_us(expires_at) AS expires_at
    FROM chosen_traces
    UNION ALL
    SELECT
        1, s.trace_id, s.seq, s.event_id, s.event_type, s.level::VARCHAR, s.message, s.data,
        to_json(s.duration_ms)::VARCHAR, s.parent_event_id, s.source, epoch_us(s.timestamp),
        (p.event_id IS NOT NULL)::BIGINT, NULL
    FROM spanning AS s
    LEFT JOIN parents AS p ON p.trace_id = s.trace_id AND p.event_id = s.parent_event_id
    WHERE $with_events
    UNION ALL
    SELECT
        2, trace_id, seq, event_id, event_type, level::VARCHAR, message, data, to_json(duration_ms)::VARCHAR,
        parent_event_id, source, epoch_us(timestamp), NULL, NULL
    FROM chosen_events
    WHERE $with_events
)
SELECT p.* EXCLUDE seq
FROM parts AS p JOIN chosen_traces AS t USING (trace_id)
ORDER BY t.seq, t.trace_id, p.part, p.seq

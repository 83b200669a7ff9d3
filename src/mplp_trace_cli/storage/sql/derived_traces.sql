-- The traces of loaded events whose format tells of none: each begins when the earliest of its events began, which
-- are stamped when they are over, and ends with its last. Its name, context and outcome are those of the first
-- event that has no parent, else of the first: found by its seq, for it would cost more to carry every event's data.
-- A trace that an earlier load made so, whose end came with its begin, is made anew of all of its events. Where there
-- was no trace before, nothing looks for one, as DuckDB plans as if there were no rows before the commit: it would
-- build a table of all events to look up none.
CREATE OR REPLACE TEMP TABLE found AS
WITH known AS (
    SELECT trace_id
    FROM store.trace_starts JOIN store.trace_ends USING (trace_id, seq)
    WHERE metadata = $metadata AND trace_id IN (SELECT trace_id FROM store.event_log WHERE seq > {first_seq})
),
told AS (
    SELECT trace_id, seq, timestamp, duration_ms, parent_event_id, true AS is_new FROM store.event_log
    WHERE seq > {first_seq} AND trace_id NOT IN (SELECT trace_id FROM store.trace_starts)
    UNION ALL
    SELECT trace_id, seq, timestamp, duration_ms, parent_event_id, false FROM store.event_log
    WHERE $has_traces AND trace_id IN (SELECT trace_id FROM known)
)
SELECT
    min(seq) AS seq,
    trace_id,
    any_value(is_new) AS is_new,
    min(epoch_us(timestamp) - round(coalesce(duration_ms, 0) * 1000)::BIGINT) AS started_at,
    max(epoch_us(timestamp)) AS last_at,
    arg_min(
        seq,
        (parent_event_id IS NOT NULL, epoch_us(timestamp) - round(coalesce(duration_ms, 0) * 1000)::BIGINT, seq)
    ) AS root_seq
FROM told
GROUP BY trace_id;
CREATE OR REPLACE TEMP TABLE derived AS
SELECT
    found.seq,
    found.trace_id,
    is_new,
    {name} AS name,
    coalesce(nullif(root.source, ''), 'default') AS context_id,
    if(root.level IN ('error', 'critical'), 'failed', 'completed') AS status,
    started_at,
    greatest(last_at, started_at + 1) AS ended_at
FROM store.event_log AS root
JOIN found ON root.seq = found.root_seq
WHERE root.seq >= (SELECT min(root_seq) FROM found);
DELETE FROM store.trace_starts WHERE trace_id IN (SELECT trace_id FROM derived WHERE NOT is_new);
DELETE FROM store.trace_ends WHERE trace_id IN (SELECT trace_id FROM derived WHERE NOT is_new);
INSERT INTO store.trace_starts
SELECT seq, trace_id, context_id, NULL, $trace_type, name, NULL, $metadata, [], make_timestamptz(started_at), NULL
FROM derived;
INSERT INTO store.trace_ends SELECT seq, trace_id, status, make_timestamptz(ended_at) FROM derived;

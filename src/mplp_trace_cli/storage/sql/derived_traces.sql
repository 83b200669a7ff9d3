-- The traces of loaded events whose format tells of none: each begins when the earliest of its events began, which
-- are stamped when they are over, and ends with its last. Its name, context and outcome are those of the first
-- event that has no parent, else of the first: found by its seq, for it would cost more to carry every event's data.
CREATE OR REPLACE TEMP TABLE found AS
SELECT
    min(seq) AS seq,
    trace_id,
    min(epoch_us(timestamp) - round(coalesce(duration_ms, 0) * 1000)::BIGINT) AS started_at,
    max(epoch_us(timestamp)) AS last_at,
    arg_min(
        seq,
        (parent_event_id IS NOT NULL, epoch_us(timestamp) - round(coalesce(duration_ms, 0) * 1000)::BIGINT, seq)
    ) AS root_seq
FROM store.event_log
WHERE seq > {first_seq} AND trace_id NOT IN (SELECT trace_id FROM store.trace_starts)
GROUP BY trace_id;
CREATE OR REPLACE TEMP TABLE derived AS
SELECT
    found.seq,
    found.trace_id,
    {name} AS name,
    coalesce(nullif(root.source, ''), 'default') AS context_id,
    if(root.level IN ('error', 'critical'), 'failed', 'completed') AS status,
    started_at,
    greatest(last_at, started_at + 1) AS ended_at
FROM store.event_log AS root
JOIN found ON root.seq = found.root_seq
WHERE root.seq > {first_seq};
INSERT INTO store.trace_starts
SELECT seq, trace_id, context_id, NULL, $trace_type, name, NULL, $metadata, [], make_timestamptz(started_at), NULL
FROM derived;
INSERT INTO store.trace_ends SELECT seq, trace_id, status, make_timestamptz(ended_at) FROM derived;

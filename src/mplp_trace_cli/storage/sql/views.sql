-- What people ask: the same views over the store alone and over the store and what waits in the inbox.
-- A trace's status is derived: its end's, else expired when its time is over, else active.
CREATE OR REPLACE VIEW traces AS
SELECT
    s.trace_id,
    s.context_id,
    s.execution_id,
    s.trace_type,
    s.name,
    s.description,
    coalesce(e.status, if(s.expires_at <= {now}, 'expired', 'active')) AS status,
    s.metadata,
    s.tags,
    s.started_at,
    coalesce(
        e.ended_at,
        if(s.expires_at <= {now}, greatest(s.expires_at, s.started_at + INTERVAL 1 microsecond), NULL)
    ) AS completed_at,
    s.expires_at,
    (epoch_us(completed_at) - epoch_us(s.started_at)) / 1000.0 AS duration_ms,
    s.seq
FROM {trace_starts} AS s LEFT JOIN {trace_ends} AS e ON e.trace_id = s.trace_id;

CREATE OR REPLACE VIEW events AS
SELECT
    event_id,
    trace_id,
    event_type,
    level,
    message,
    data,
    timestamp,
    duration_ms,
    parent_event_id,
    source,
    seq
FROM {event_log};

CREATE OR REPLACE VIEW metrics AS
SELECT name, type, value, unit, help, labels, buckets, timestamp, seq FROM {metric_samples};

CREATE OR REPLACE VIEW rejects AS
SELECT seq AS id, source, line, byte_offset, reason, raw, rejected_at FROM {rejected_lines};

-- The store: append-only, columnar. No primary keys and no indexes: they slow loading, and a killed
-- write can damage them. Nothing that can be computed is stored.
CREATE TABLE meta (store_id VARCHAR NOT NULL, created_at TIMESTAMPTZ NOT NULL);

-- An inbox that this store has adopted; `seq_base` lifts its seq above all that was here before.
CREATE TABLE inboxes (inbox_id VARCHAR NOT NULL, seq_base BIGINT NOT NULL);

-- How far each inbox is folded: a row a fold, the greatest counts.
CREATE TABLE folds (inbox_id VARCHAR NOT NULL, folded_seq BIGINT NOT NULL);

CREATE TABLE trace_starts (
    seq BIGINT NOT NULL,
    trace_id VARCHAR NOT NULL,
    context_id VARCHAR NOT NULL,
    execution_id VARCHAR,
    trace_type VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    description VARCHAR,
    metadata VARCHAR NOT NULL,
    tags VARCHAR[] NOT NULL,
    started_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ
);

CREATE TABLE trace_ends (
    seq BIGINT NOT NULL,
    trace_id VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    ended_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE event_log (
    seq BIGINT NOT NULL,
    event_id VARCHAR NOT NULL USING COMPRESSION fsst,
    trace_id VARCHAR NOT NULL,
    event_type VARCHAR NOT NULL,
    level ENUM ('debug', 'info', 'warn', 'error', 'critical') NOT NULL,
    message VARCHAR,
    data VARCHAR NOT NULL USING COMPRESSION zstd,
    timestamp TIMESTAMPTZ NOT NULL,
    duration_ms DOUBLE,
    parent_event_id VARCHAR,
    source VARCHAR
);

CREATE TABLE metric_samples (
    seq BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    value DOUBLE NOT NULL,
    unit VARCHAR,
    help VARCHAR,
    labels VARCHAR NOT NULL,
    buckets VARCHAR,
    timestamp TIMESTAMPTZ NOT NULL
);

-- Lines that could not be recorded, kept byte for byte.
CREATE TABLE rejected_lines (
    seq BIGINT NOT NULL,
    source VARCHAR NOT NULL,
    line BIGINT NOT NULL,
    byte_offset BIGINT NOT NULL,
    reason VARCHAR NOT NULL,
    raw BLOB NOT NULL,
    rejected_at TIMESTAMPTZ NOT NULL
);

-- Files that were imported, by SHA-256 of their bytes: the same file is not loaded twice.
CREATE TABLE imported_files (
    digest VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    size BIGINT NOT NULL,
    imported_at TIMESTAMPTZ NOT NULL
);

-- The alert book: what is remembered of alerts. It changes in place, so it is neither in the append-only store
-- nor in the inbox, whose transactions recorders wait for. A group is a JSON array of pairs.
CREATE TABLE rules (rule TEXT PRIMARY KEY, evaluated_at INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE alerts (
    rule TEXT NOT NULL,
    group_key TEXT NOT NULL,
    severity TEXT NOT NULL,
    state TEXT NOT NULL,
    since INTEGER,
    fired_at INTEGER,
    resolved_at INTEGER,
    evaluated_at INTEGER NOT NULL,
    figures TEXT NOT NULL,
    acknowledged_at INTEGER,
    acknowledged_by TEXT,
    note TEXT,
    PRIMARY KEY (rule, group_key)
) WITHOUT ROWID;

-- Only added to, and its oldest rows dropped.
CREATE TABLE history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    rule TEXT NOT NULL,
    group_key TEXT NOT NULL,
    severity TEXT NOT NULL,
    change TEXT NOT NULL,
    action TEXT,
    figures TEXT NOT NULL,
    detail TEXT
);

-- One row a notice and action, written in the transaction that changes the state.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    rule TEXT NOT NULL,
    group_key TEXT NOT NULL,
    action TEXT NOT NULL,
    notice TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL,
    claimed_until INTEGER,
    sent_at INTEGER,
    failed_at INTEGER,
    last_error TEXT
);
CREATE INDEX outbox_waiting ON outbox (rule, group_key, action) WHERE sent_at IS NULL AND failed_at IS NULL;

-- The inbox: what was acknowledged and is not folded into the store yet.
CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- `seq` is the order of arrival; AUTOINCREMENT never gives a number twice, however much is deleted.
CREATE TABLE entries (seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, body TEXT NOT NULL);
INSERT INTO sqlite_sequence (name, seq) VALUES ('entries', 0);

-- Every active trace, however it came in. Existence and expiry are checked in the insert itself.
CREATE TABLE open_traces (
    trace_id TEXT PRIMARY KEY,
    started_at INTEGER NOT NULL,
    expires_at INTEGER,
    body TEXT NOT NULL
);
CREATE INDEX open_traces_newest ON open_traces (started_at);

-- The newest ids and names, for completion.
CREATE TABLE recent_traces (id INTEGER PRIMARY KEY AUTOINCREMENT, trace_id TEXT NOT NULL, name TEXT NOT NULL);

-- When each fold was done: entries stay a while for those who follow.
CREATE TABLE folded (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL);

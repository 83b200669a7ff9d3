-- Tells the begin of a trace anew where it lies in the inbox and no fold has set out to take it: spans come
-- children first, and the name of a trace is that of its root. For SQLite.
UPDATE entries SET body = ? WHERE seq = (
    SELECT seq FROM entries WHERE seq > ? AND kind = 'start' AND body = ? ORDER BY seq DESC LIMIT 1);

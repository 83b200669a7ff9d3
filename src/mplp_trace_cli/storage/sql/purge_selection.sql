-- The finished traces that are to go, and when each ended; one that is active never goes.
CREATE OR REPLACE TEMP TABLE purged AS
SELECT trace_id, completed_at FROM traces WHERE status <> 'active' {condition};

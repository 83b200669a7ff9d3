-- The traces of a dashboard: those that started in its window or in the one of the same length before it.
CREATE OR REPLACE TEMP TABLE dashboard_trace AS
SELECT trace_id, epoch_us(started_at) AS started, status, duration_ms
FROM traces
WHERE started_at >= make_timestamptz($before::BIGINT) AND started_at < make_timestamptz($end::BIGINT);

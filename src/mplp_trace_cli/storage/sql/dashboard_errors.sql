-- The errors of a dashboard, found in one scan of the events: those that happened in either window, and those
-- of the traces that started there, whenever they happened, which tell which traces have errors.
CREATE OR REPLACE TEMP TABLE dashboard_error AS
SELECT trace_id, event_type, source, message, epoch_us(timestamp) AS happened, seq
FROM events
WHERE
    level IN ('error', 'critical')
    AND (
        (timestamp >= make_timestamptz($before::BIGINT) AND timestamp < make_timestamptz($end::BIGINT))
        OR trace_id IN (SELECT trace_id FROM dashboard_trace)
    );

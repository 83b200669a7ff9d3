-- Events that a follower was too late for: the inbox has dropped them, the store has them in its own order.
SELECT
    seq, event_id, trace_id, event_type, level::VARCHAR, message, data, epoch_us(timestamp), duration_ms,
    parent_event_id, source
FROM store.event_log
WHERE seq > $low AND seq <= $high
ORDER BY seq;

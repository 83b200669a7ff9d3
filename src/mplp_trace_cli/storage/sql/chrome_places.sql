-- When each event begins and ends, a trace after the other, in order of time: what decides in which lane it is
-- drawn. An event is stamped when what it measures is over. `place` is the event's number in order of arrival; `parent` is that of its parent.
WITH placed AS NOT MATERIALIZED (
    SELECT
        row_number() OVER () - 1 AS place, trace_id, event_id, parent_event_id, source,
        epoch_us(timestamp) AS stamp,
        if(duration_ms IS NULL, NULL, round(least(duration_ms * 1000, {longest})))::BIGINT AS lasted
    FROM chosen_events
),
links AS (
    SELECT child.place, min(parent.place) AS parent
    FROM placed AS child
    JOIN placed AS parent ON parent.trace_id = child.trace_id AND parent.event_id = child.parent_event_id
    GROUP BY child.place
)
SELECT
    pid, source, place, parent,
    stamp - coalesce(lasted, 0) AS start,
    if(lasted IS NULL, NULL, stamp) AS stop
FROM placed
JOIN (SELECT trace_id, row_number() OVER (ORDER BY seq, trace_id) AS pid FROM chosen_traces) USING (trace_id)
LEFT JOIN links USING (place)
ORDER BY pid, start, place

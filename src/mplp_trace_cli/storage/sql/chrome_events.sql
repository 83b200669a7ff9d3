-- Events as slices and instants of a Chrome trace, in order of arrival; `lanes` says for each, in the same order,
-- where it is drawn. What a whole number of microseconds cannot say of a duration stands beside it.
SELECT
    ',{{"ph":"' || if(lasted IS NULL, 'i","s":"t"', 'X","dur":' || lasted) || ',"name":' || to_json(event_type)
    || ',"cat":"' || level || '","ts":' || stamp - coalesce(lasted, 0)
    || ',"pid":' || pid || ',"tid":' || tid
    || CASE level WHEN 'warn' THEN ',"cname":"bad"' WHEN 'error' THEN ',"cname":"terrible"'
        WHEN 'critical' THEN ',"cname":"terrible"' ELSE '' END
    || if(lasted / 1000.0 <> duration_ms, ',"duration_ms":' || to_json(duration_ms), '')
    || ',"args":{{"event_id":' || to_json(event_id)
    || coalesce(',"message":' || to_json(message), '')
    || if(data = '{{}}', '', ',"data":' || data)
    || coalesce(',"parent_event_id":' || to_json(parent_event_id), '')
    || coalesce(',"source":' || to_json(source), '')
    || '}}}}'
FROM (
    SELECT
        *,
        epoch_us(timestamp) AS stamp,
        if(duration_ms IS NULL, NULL, round(least(duration_ms * 1000, {longest})))::BIGINT AS lasted
    FROM chosen_events POSITIONAL JOIN lanes
)
WHERE tid > 0

-- Events as JSON, a line each, in the order in which they arrived; `data` is the text that came in.
SELECT
    '{{' || {kind_event} || '"event_id":' || to_json(event_id)
    || ',"trace_id":' || to_json(trace_id)
    || ',"event_type":' || to_json(event_type)
    || ',"level":"' || level || '"'
    || coalesce(',"message":' || to_json(message), '')
    || if(data = '{{}}', '', ',"data":' || data)
    || ',"timestamp":' || {timestamp}
    || coalesce(',"duration_ms":' || to_json(duration_ms), '')
    || coalesce(',"parent_event_id":' || to_json(parent_event_id), '')
    || coalesce(',"source":' || to_json(source), '')
    || '}}' AS line,
    trace_id,
    timestamp,
    seq
FROM {events}

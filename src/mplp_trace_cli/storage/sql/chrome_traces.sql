-- Traces as processes of a Chrome trace: their name and place, then the trace itself as a slice of a thread of
-- its own. A slice that is still open has no end; what the trace is in full lies in its args.
SELECT
    ',{{"ph":"M","name":"process_name","pid":' || pid || ',"tid":' || pid || ',"args":{{"name":' || to_json(name) || '}}}}'
    || chr(10) || ',{{"ph":"M","name":"process_labels","pid":' || pid || ',"tid":' || pid || ',"args":{{"labels":'
    || to_json(context_id || ', ' || status) || '}}}}'
    || chr(10) || ',{{"ph":"M","name":"process_sort_index","pid":' || pid || ',"tid":' || pid
    || ',"args":{{"sort_index":' || pid || '}}}}'
    || chr(10) || ',{{"ph":"M","name":"thread_name","pid":' || pid || ',"tid":' || pid || ',"args":{{"name":"trace"}}}}'
    || chr(10) || ',{{"ph":"'
    || coalesce('X","dur":' || (epoch_us(completed_at) - epoch_us(started_at)), 'B"')
    || ',"name":' || to_json(name) || ',"cat":"trace","ts":' || epoch_us(started_at)
    || ',"pid":' || pid || ',"tid":' || pid || if(status IN ('failed', 'expired'), ',"cname":"terrible"', '')
    || ',"args":' || line || '}}'
FROM (SELECT *, row_number() OVER (ORDER BY seq, trace_id) AS pid FROM chosen_traces)
JOIN (SELECT trace_id, line FROM ({lines})) USING (trace_id)
ORDER BY pid

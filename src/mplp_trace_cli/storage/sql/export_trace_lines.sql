-- Traces as JSON, a line each; what is not there is left out, so that an import finds what was said.
SELECT
    '{{' || {kind_trace} || '"trace_id":' || to_json(trace_id)
    || ',"context_id":' || to_json(context_id)
    || coalesce(',"execution_id":' || to_json(execution_id), '')
    || ',"trace_type":' || to_json(trace_type)
    || ',"name":' || to_json(name)
    || coalesce(',"description":' || to_json(description), '')
    || ',"status":' || to_json(status)
    || if(metadata = '{{}}', '', ',"metadata":' || metadata)
    || if(len(tags) = 0, '', ',"tags":' || to_json(tags))
    || ',"started_at":' || {started_at}
    || coalesce(',"completed_at":' || {completed_at}, '')
    || coalesce(',"expires_at":' || {expires_at}, '')
    || '}}' AS line,
    trace_id,
    seq
FROM {traces}

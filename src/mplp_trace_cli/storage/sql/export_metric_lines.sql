-- Metric samples as JSON, a line each.
SELECT
    '{{' || {kind_metric} || '"name":' || to_json(name)
    || ',"type":' || to_json(type)
    || ',"value":' || to_json(value)
    || coalesce(',"unit":' || to_json(unit), '')
    || coalesce(',"help":' || to_json(help), '')
    || if(labels = '{{}}', '', ',"labels":' || labels)
    || coalesce(',"buckets":' || buckets, '')
    || ',"timestamp":' || {timestamp}
    || '}}' AS line,
    seq
FROM {metrics}

-- Metric samples as counters of a Chrome trace, a track for each name and labels; what a counter went up by is
-- added up in order of time. The sample as it is stands beside it.
SELECT
    ',{{"ph":"C","name":' || to_json(name || if(labels = '{{}}', '', ' ' || labels)) || ',"pid":{pid},"tid":{pid}'
    || ',"ts":' || epoch_us(timestamp) || ',"args":{{' || to_json(coalesce(nullif(unit, ''), 'value')) || ':'
    || to_json(if(isfinite(reached), reached, value)) || '}},"sample":' || line || '}}'
FROM (
    SELECT
        *,
        if(
            type = 'counter',
            sum(value) OVER (PARTITION BY name, type, unit, labels ORDER BY timestamp, seq),
            value
        ) AS reached
    FROM chosen_metrics
)
JOIN (SELECT seq, line FROM ({lines})) USING (seq)
ORDER BY seq

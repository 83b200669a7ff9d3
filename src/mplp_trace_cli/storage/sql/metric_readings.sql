-- All samples that a question is about: those recorded, and performance_metric events, which are gauges.
-- A sample that says no unit has the one that was said last for its name. Labels that differ only in how
-- their JSON is written are the same; each text is looked at once. TRY, because the store keeps JSON that
-- DuckDB's parser refuses.
CREATE OR REPLACE TEMP TABLE reading AS
WITH measured AS MATERIALIZED (
    SELECT
        if({is_system}, 'system', 'custom') AS category, name, type, value, unit, help, labels, buckets, timestamp, seq
    FROM metrics {samples}
    UNION ALL
    SELECT 'custom', name, 'gauge', value, unit, NULL, labels, NULL, timestamp, seq
    FROM (
        SELECT
            TRY(json_extract_string(data, '$.metric_name')) AS name,
            TRY(json_type(data, '$.metric_value')) AS value_type,
            TRY_CAST(TRY(json_extract_string(data, '$.metric_value')) AS DOUBLE) AS value,
            TRY(json_extract_string(data, '$.metric_unit')) AS unit,
            if(TRY(json_type(data, '$.tags')) = 'OBJECT', TRY(json_extract(data, '$.tags')::VARCHAR), '{{}}') AS labels,
            timestamp, seq
        FROM events {events}
    )
    WHERE name <> '' AND value_type IN ('BIGINT', 'UBIGINT', 'HUGEINT', 'DOUBLE') AND isfinite(value) {event_names}
),
said AS (
    SELECT name, arg_max(unit, (timestamp, seq)) AS unit FROM metrics WHERE unit IS NOT NULL GROUP BY name
),
label_set AS (
    SELECT
        labels AS written,
        coalesce(
            TRY(to_json(map_from_entries(list_sort(map_entries(labels::JSON::MAP(VARCHAR, VARCHAR)))))::VARCHAR),
            labels
        ) AS labels
    FROM (SELECT DISTINCT labels FROM measured)
)
SELECT
    category, name, type, value, coalesce(measured.unit, said.unit) AS unit, help, label_set.labels, buckets,
    timestamp, seq
FROM measured JOIN label_set ON label_set.written = measured.labels LEFT JOIN said USING (name)
WHERE {categories};

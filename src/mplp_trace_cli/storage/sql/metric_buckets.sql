-- How many observations of each histogram lie below each bound and not below the one before: `place` is the
-- first bound that is not less. Bounds and the way to the base unit come as one JSON text.
WITH family AS (
    SELECT unnest(from_json($families, '[{
        "category": "VARCHAR", "name": "VARCHAR", "unit": "VARCHAR",
        "multiplier": "DOUBLE", "divisor": "DOUBLE", "bounds": ["DOUBLE"]
    }]'), recursive := true)
)
SELECT
    category, name, reading.unit, labels,
    len(list_filter(bounds, lambda bound: bound < value * multiplier / divisor)) AS place,
    count(*) AS samples
FROM reading JOIN family USING (category, name)
WHERE reading.type = 'histogram' AND reading.unit IS NOT DISTINCT FROM family.unit
GROUP BY ALL;

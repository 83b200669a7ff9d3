-- The tables and views of the damaged store `old` that the store `new` has not: somebody else has made them.
-- In the order in which they came, tables first: a view may need them.
WITH there AS (
    SELECT database_name, 1 AS rank, table_oid AS oid, 'table' AS kind, schema_name, table_name AS name, sql,
        estimated_size AS rows
    FROM duckdb_tables() WHERE NOT internal
    UNION ALL
    SELECT database_name, 2, view_oid, 'view', schema_name, view_name, sql, 1
    FROM duckdb_views() WHERE NOT internal
)
SELECT kind, schema_name, name, sql, rows FROM there AS o
WHERE database_name = 'old' AND NOT EXISTS (
    SELECT 1 FROM there AS n
    WHERE n.database_name = 'new' AND (n.schema_name, n.name) = (o.schema_name, o.name)
)
ORDER BY rank, oid;

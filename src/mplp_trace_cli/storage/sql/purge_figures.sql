-- How much goes and how much there is in all: rows, and the text in them with the width of their other columns.
WITH
trace AS (
    SELECT
        trace_id IN (SELECT trace_id FROM purged) AS goes,
        100 + strlen(trace_id) + strlen(name) + strlen(metadata) AS weight
    FROM traces
),
event AS (
    SELECT
        trace_id IN (SELECT trace_id FROM purged) AS goes,
        60 + strlen(data) + coalesce(strlen(message), 0) AS weight
    FROM events
),
metric AS (
    SELECT
        coalesce({samples}, false) AS goes,
        timestamp,
        30 + strlen(labels) AS weight
    FROM metrics
)
SELECT
    traces, events, metrics, goes, of_all,
    (SELECT [epoch_us(min(completed_at)), epoch_us(max(completed_at))] FROM purged),
    sampled
FROM
    (SELECT count(*) FILTER (goes) AS traces, sum(weight) FILTER (goes) AS t_goes, sum(weight) AS t_all FROM trace),
    (SELECT count(*) FILTER (goes) AS events, sum(weight) FILTER (goes) AS e_goes, sum(weight) AS e_all FROM event),
    (
        SELECT
            count(*) FILTER (goes) AS metrics, sum(weight) FILTER (goes) AS m_goes, sum(weight) AS m_all,
            [epoch_us(min(timestamp) FILTER (goes)), epoch_us(max(timestamp) FILTER (goes))] AS sampled
        FROM metric
    ),
    LATERAL (
        SELECT
            coalesce(t_goes, 0) + coalesce(e_goes, 0) + coalesce(m_goes, 0) AS goes,
            coalesce(t_all, 0) + coalesce(e_all, 0) + coalesce(m_all, 0) AS of_all
    );

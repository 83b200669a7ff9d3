-- How many events happened: a row for each window (bucket NULL) and a row for each bucket of this one.
SELECT is_now, bucket, count(*) AS events
FROM (
    SELECT
        epoch_us(timestamp) >= $start AS is_now,
        if(is_now, epoch_us(timestamp) - (epoch_us(timestamp) - $origin) % $width, NULL) AS bucket
    FROM events
    WHERE timestamp >= make_timestamptz($before::BIGINT) AND timestamp < make_timestamptz($end::BIGINT)
)
GROUP BY GROUPING SETS ((is_now), (bucket));

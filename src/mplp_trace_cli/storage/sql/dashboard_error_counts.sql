-- How many errors happened: a row for each window (bucket NULL) and a row for each bucket of this one.
SELECT is_now, bucket, count(*) AS errors
FROM (
    SELECT
        happened >= $start AS is_now,
        if(happened >= $start, happened - (happened - $origin) % $width, NULL) AS bucket
    FROM dashboard_error
    WHERE happened >= $before AND happened < $end
)
GROUP BY GROUPING SETS ((is_now), (bucket));

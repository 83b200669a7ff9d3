-- What each series has come to so far, for a scraper: the newest value, the sum, and when it was last said
-- what it means and into which buckets it goes.
SELECT
    category, name, unit, type, labels,
    arg_max([epoch_us(timestamp), seq], (timestamp, seq)) AS newest_at,
    arg_max(value, (timestamp, seq)) AS newest,
    fsum(value) AS sum,
    count(*) AS samples,
    arg_max(help, (timestamp, seq)) FILTER (help <> '') AS help,
    arg_max([epoch_us(timestamp), seq], (timestamp, seq)) FILTER (buckets IS NOT NULL) AS buckets_at,
    arg_max(buckets, (timestamp, seq)) FILTER (buckets IS NOT NULL) AS buckets
FROM reading
GROUP BY ALL
ORDER BY category, name, unit NULLS FIRST, type, labels;

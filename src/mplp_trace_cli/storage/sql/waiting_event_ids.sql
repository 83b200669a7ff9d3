-- Which events some traces have in the inbox before a seq, the newest first: a follower that meets a given id
-- asks whether it has come before. For SQLite.
SELECT json_extract(body, '$[1]'), json_extract(body, '$[0]') FROM entries
WHERE
    seq < ? AND kind IN ('event', 'event_with_id') AND json_valid(body)
    AND json_extract(body, '$[1]') IN (SELECT value FROM json_each(?))
ORDER BY seq DESC LIMIT ?;

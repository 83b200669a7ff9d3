-- What could not be sent: tried and waiting to be tried again, or given up and nothing sent the same way since.
SELECT rule, group_key, action, attempts, last_error, failed_at, next_at FROM outbox AS one
WHERE
    sent_at IS NULL AND last_error IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM outbox AS later WHERE later.action = one.action AND later.sent_at > one.failed_at)
ORDER BY id;

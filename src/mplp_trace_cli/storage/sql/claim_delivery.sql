-- The next delivery that is due and nobody has. One waits until what went before it to the same place, of the
-- same alert, was sent or given up. What fell due after this sender began is for the next check, and so is what goes
-- by an action that failed in this one. A time much further ahead than any wait is of a clock that was set back.
UPDATE outbox SET claimed_until = :now + :lease WHERE id = (
    SELECT id FROM outbox AS one
    WHERE
        sent_at IS NULL AND failed_at IS NULL
        AND next_at NOT BETWEEN :began + 1 AND :began + 2 * :longest
        AND action NOT IN (SELECT value FROM json_each(:failing))
        AND (claimed_until IS NULL OR claimed_until NOT BETWEEN :now + 1 AND :now + 2 * :lease)
        AND NOT EXISTS (
            SELECT 1 FROM outbox AS earlier
            WHERE
                earlier.id < one.id AND earlier.sent_at IS NULL AND earlier.failed_at IS NULL
                AND (earlier.rule, earlier.group_key, earlier.action) = (one.rule, one.group_key, one.action)
        )
    ORDER BY id LIMIT 1
)
RETURNING id, notice, action, attempts, claimed_until;

-- Loaded events whose id was in their trace already, in the file or before it: the first to arrive stays.
-- Looked for by hash and in slices of it, so that memory stays flat. Then checked to the letter where there is a
-- suspect, which is a statement of its own: in one, all of the log would be read again to be looked up among none.
CREATE OR REPLACE TEMP TABLE suspect AS
SELECT hash(trace_id, event_id) AS h
FROM store.event_log
WHERE h % {slices} = {slice}
GROUP BY h
HAVING count(*) > 1 AND max(seq) > {first_seq};
CREATE OR REPLACE TEMP TABLE repeated AS
SELECT seq
FROM store.event_log
WHERE hash(trace_id, event_id) IN (SELECT h FROM suspect)
QUALIFY row_number() OVER (PARTITION BY trace_id, event_id ORDER BY seq) > 1 AND seq > {first_seq};

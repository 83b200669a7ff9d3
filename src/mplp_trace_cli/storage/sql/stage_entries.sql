-- A batch of inbox entries, taken apart: `block` holds one line each of seq, kind and body between tabs.
-- A body is a JSON array; what is none has no cells. Instants outside the years 1 to 9999 are refused by the
-- stages: they could be kept, but not shown. One text is bound, because binding lists is slow.
CREATE OR REPLACE TEMP TABLE entry AS
SELECT seq, kind, body, TRY(from_json(body, '["VARCHAR"]')) AS cells
FROM (
    SELECT
        $seq_base + split_part(line, chr(9), 1)::BIGINT AS seq,
        split_part(line, chr(9), 2) AS kind,
        split_part(line, chr(9), 3) AS body
    FROM (SELECT unnest(string_split($block, chr(10))) AS line)
);

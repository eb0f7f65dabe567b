-- name: begin
INSERT INTO claim (only, after, is_whole) VALUES (1, 0, :is_whole)
ON CONFLICT (only) DO UPDATE SET after = 0, is_whole = max(claim.is_whole, excluded.is_whole);

-- name: read
SELECT after, is_whole FROM claim WHERE only = 1;

-- name: advance
UPDATE claim SET after = max(after, :upto) WHERE only = 1;

-- name: end
DELETE FROM claim WHERE only = 1;

-- name: retained
SELECT seq, body FROM log WHERE seq > :after AND seq <= :upto ORDER BY seq LIMIT :limit;

-- name: on_top
SELECT log.seq, log.body
FROM (
    SELECT seq FROM pending_delta WHERE seq > :after UNION SELECT seq FROM pending_edit WHERE seq > :after
) AS own
JOIN log ON log.seq = own.seq
WHERE log.seq <= :upto
ORDER BY log.seq LIMIT :limit;

-- name: bodies
SELECT log.seq, log.body,
    EXISTS (SELECT 1 FROM quarantined WHERE quarantined.seq = log.seq) AS is_quarantined
FROM json_each(:seqs) AS asked
CROSS JOIN log ON log.seq = asked.value
ORDER BY log.seq;

-- name: own_of_counter
-- How far our log is inside a counter, by its own mark and by its scope's; 0 where there is none.
SELECT
    coalesce((
        SELECT own FROM counter
        WHERE location = :location AND sku = :sku AND lot = :lot AND account = :account
    ), 0),
    coalesce((SELECT own FROM scope WHERE scope = :scope), 0);

-- name: own_of_document
SELECT
    coalesce((SELECT own FROM document WHERE collection = :collection AND id = :id), 0),
    coalesce((SELECT own FROM scope WHERE scope = :scope), 0);

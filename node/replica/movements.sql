-- name: add
INSERT INTO movement (op_id, replica, seq, kind, location, reference, occurred_at, reverses, body)
VALUES (:op_id, :replica, :seq, :kind, :location, :reference, :occurred_at, :reverses, :body)
ON CONFLICT (op_id) DO NOTHING;

-- name: add_sku
INSERT INTO movement_sku (sku, position, lot) VALUES (:sku, :position, :lot)
ON CONFLICT (sku, position, lot) DO NOTHING;

-- name: unlist_pulled
-- An own movement has its bytes in the log, or a hash of them if it left that.
DELETE FROM movement WHERE op_id = :op_id AND body IS NOT NULL AND body_hash IS NULL
RETURNING position, body;

-- name: unlist_sku
DELETE FROM movement_sku WHERE sku = :sku AND position = :position AND lot = :lot;

-- name: read_pulled
SELECT position FROM pulled WHERE location = :location;

-- name: save_pulled
INSERT INTO pulled (location, position) VALUES (:location, :upto)
ON CONFLICT (location) DO UPDATE SET position = max(pulled.position, excluded.position);

-- name: note_whole
UPDATE pulled SET is_whole = 1 WHERE location = :location AND is_whole = 0;

-- name: one
SELECT movement.position, movement.replica, movement.seq, coalesce(movement.body, log.body) AS body
FROM movement LEFT JOIN log ON log.seq = movement.seq AND movement.body IS NULL
WHERE movement.op_id = :op_id;

-- name: reversal_of
SELECT op_id FROM movement WHERE reverses = :op_id ORDER BY position LIMIT 1;

-- name: newest
SELECT movement.position, movement.replica, movement.seq, coalesce(movement.body, log.body) AS body
FROM movement LEFT JOIN log ON log.seq = movement.seq AND movement.body IS NULL
WHERE movement.position < :before
    AND (:location IS NULL OR movement.location = :location)
    AND (:kind IS NULL OR movement.kind = :kind)
    AND (:reference IS NULL OR movement.reference = :reference)
    AND (:since IS NULL OR movement.occurred_at >= :since)
    AND (:until IS NULL OR movement.occurred_at < :until)
ORDER BY movement.position DESC LIMIT :limit;

-- name: newest_at_location
SELECT movement.position, movement.replica, movement.seq, coalesce(movement.body, log.body) AS body
FROM movement INDEXED BY movement_by_location
LEFT JOIN log ON log.seq = movement.seq AND movement.body IS NULL
WHERE movement.location = :location AND movement.position < :before
    AND (:kind IS NULL OR movement.kind = :kind)
    AND (:reference IS NULL OR movement.reference = :reference)
    AND (:since IS NULL OR movement.occurred_at >= :since)
    AND (:until IS NULL OR movement.occurred_at < :until)
ORDER BY movement.position DESC LIMIT :limit;

-- name: newest_with_reference
SELECT movement.position, movement.replica, movement.seq, coalesce(movement.body, log.body) AS body
FROM movement INDEXED BY movement_by_reference
LEFT JOIN log ON log.seq = movement.seq AND movement.body IS NULL
WHERE movement.reference = :reference AND movement.position < :before
    AND (:location IS NULL OR movement.location = :location)
    AND (:kind IS NULL OR movement.kind = :kind)
    AND (:since IS NULL OR movement.occurred_at >= :since)
    AND (:until IS NULL OR movement.occurred_at < :until)
ORDER BY movement.position DESC LIMIT :limit;

-- name: newest_of_sku
SELECT movement.position, movement.replica, movement.seq, coalesce(movement.body, log.body) AS body
FROM (
    SELECT DISTINCT position FROM movement_sku
    WHERE sku = :sku AND position < :before AND (:lot IS NULL OR lot = :lot)
) AS named
JOIN movement ON movement.position = named.position
LEFT JOIN log ON log.seq = movement.seq AND movement.body IS NULL
WHERE (:location IS NULL OR movement.location = :location)
    AND (:kind IS NULL OR movement.kind = :kind)
    AND (:reference IS NULL OR movement.reference = :reference)
    AND (:since IS NULL OR movement.occurred_at >= :since)
    AND (:until IS NULL OR movement.occurred_at < :until)
ORDER BY movement.position DESC LIMIT :limit;

-- name: own_locations
SELECT DISTINCT location FROM movement WHERE body IS NULL OR body_hash IS NOT NULL ORDER BY location;

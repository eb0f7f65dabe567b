-- name: at_location
-- What happened at a location after an instant, the latest first. What the hub has set aside is in no total.
SELECT movement.position, movement.replica, movement.seq, taken_back.kind AS taken_back,
    coalesce(movement.body, log.body) AS body
FROM movement INDEXED BY movement_by_day
LEFT JOIN log ON log.seq = movement.seq AND movement.body IS NULL
LEFT JOIN movement AS taken_back ON taken_back.op_id = movement.reverses
WHERE movement.location = :location AND movement.occurred_at > :after
    AND NOT EXISTS (
        SELECT 1 FROM quarantined JOIN replica ON replica.only = 1
        WHERE quarantined.seq = movement.seq AND replica.id = movement.replica
    )
ORDER BY movement.occurred_at DESC, movement.position DESC LIMIT :limit;

-- name: of_sku
-- The same of one SKU, everywhere or at one location.
SELECT movement.position, movement.replica, movement.seq, taken_back.kind AS taken_back,
    coalesce(movement.body, log.body) AS body
FROM (
    SELECT DISTINCT position FROM movement_sku WHERE sku = :sku AND (:lot IS NULL OR lot = :lot)
) AS named
JOIN movement ON movement.position = named.position
LEFT JOIN log ON log.seq = movement.seq AND movement.body IS NULL
LEFT JOIN movement AS taken_back ON taken_back.op_id = movement.reverses
WHERE movement.occurred_at > :after AND (:location IS NULL OR movement.location = :location)
    AND NOT EXISTS (
        SELECT 1 FROM quarantined JOIN replica ON replica.only = 1
        WHERE quarantined.seq = movement.seq AND replica.id = movement.replica
    )
ORDER BY movement.occurred_at DESC, movement.position DESC LIMIT :limit;

-- name: count_at_location
SELECT count(*) FROM (
    SELECT 1 FROM movement INDEXED BY movement_by_location WHERE location = :location LIMIT :most
);

-- name: on_hand_at
-- What is shown of each SKU and lot of a location, after one of them.
SELECT sku, lot, value FROM counter
WHERE location = :location AND (sku, lot) > (:sku_after, :lot_after) AND account = 0
ORDER BY sku, lot LIMIT :limit;

-- name: on_hand_of
-- What is shown of a SKU wherever it was ever counted, or of one lot of it.
SELECT location, lot, value FROM counter INDEXED BY counter_by_sku
WHERE sku = :sku AND (:location IS NULL OR location = :location) AND (:lot IS NULL OR lot = :lot) AND account = 0
ORDER BY location, lot LIMIT :limit;

-- name: is_fetched
-- Whether the hub's ledger was read to its end for a location, or there was nothing of the hub's to read yet.
SELECT EXISTS (SELECT 1 FROM pulled WHERE location = :location AND is_whole = 1)
    OR NOT EXISTS (SELECT 1 FROM counter WHERE location = :location AND hub_seq > 0);

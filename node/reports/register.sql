-- name: controlled
-- `by_store` and `by_office` are the packed field as a store and as the office write it; whoever asks reads what is found.
SELECT id FROM document
WHERE collection = 'skus' AND id >= :first
    AND (instr(shown, :by_store) OR instr(shown, :by_office))
ORDER BY id LIMIT :limit;

-- name: entries
-- The newest that name a SKU at a location, newest first, also those that the hub has set aside.
SELECT movement.position, movement.replica, movement.seq, coalesce(movement.body, log.body) AS body,
    EXISTS (
        SELECT 1 FROM quarantined JOIN replica ON replica.only = 1
        WHERE quarantined.seq = movement.seq AND replica.id = movement.replica
    ) AS is_set_aside
FROM (SELECT DISTINCT position FROM movement_sku WHERE sku = :sku) AS named
JOIN movement ON movement.position = named.position
LEFT JOIN log ON log.seq = movement.seq AND movement.body IS NULL
WHERE movement.location = :location
ORDER BY movement.position DESC LIMIT :limit;

-- name: on_hand
SELECT lot, value FROM counter
WHERE location = :location AND sku = :sku AND account = 0 AND value <> 0
ORDER BY lot LIMIT 10000;

-- name: said
SELECT id, shown FROM document
WHERE collection = 'lots' AND id IN (SELECT value FROM json_each(:ids));

-- name: on_hand
SELECT lot, value FROM counter
WHERE location = :location AND sku = :sku AND lot <> '' AND account = 0 AND value <> 0
ORDER BY lot LIMIT 10000;

-- name: counted
SELECT DISTINCT lot FROM counter INDEXED BY counter_by_sku
WHERE sku = :sku AND lot <> '' LIMIT :limit;

-- name: described
SELECT id FROM document
WHERE collection = 'lots' AND id > :first AND id < :beyond LIMIT :limit;

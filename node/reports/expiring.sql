-- name: lots_on_hand
-- By the index that has the order: what is of no lot is passed over in it, and only the others are looked up.
SELECT sku, location, lot, value
FROM counter INDEXED BY counter_by_sku
WHERE sku >= :sku_first AND sku <= :sku_last AND (:location IS NULL OR location = :location)
    AND lot <> '' AND account = 0 AND value > 0
ORDER BY sku, location, lot;

-- name: walk
-- Read row by row and left off at any place: the index is the order, so nothing is sorted and nothing waits in memory.
SELECT sku, location, lot,
    sum(CASE WHEN account = 0 THEN value ELSE 0 END) AS on_hand,
    sum(CASE WHEN account = 1 THEN value ELSE 0 END) AS reserved,
    sum(CASE WHEN account = 2 THEN value ELSE 0 END) AS in_transit,
    sum(CASE WHEN account = 4 THEN value ELSE 0 END) AS granted
FROM counter INDEXED BY counter_by_sku
WHERE (sku, location) >= (:sku_from, :location_from)
GROUP BY sku, location, lot ORDER BY sku, location, lot;

-- name: walk_at_location
SELECT sku, location, lot,
    sum(CASE WHEN account = 0 THEN value ELSE 0 END) AS on_hand,
    sum(CASE WHEN account = 1 THEN value ELSE 0 END) AS reserved,
    sum(CASE WHEN account = 2 THEN value ELSE 0 END) AS in_transit,
    sum(CASE WHEN account = 4 THEN value ELSE 0 END) AS granted
FROM counter
WHERE location = :location AND sku >= :sku_from
GROUP BY location, sku, lot ORDER BY location, sku, lot;

-- name: walk_of_sku
SELECT sku, location, lot,
    sum(CASE WHEN account = 0 THEN value ELSE 0 END) AS on_hand,
    sum(CASE WHEN account = 1 THEN value ELSE 0 END) AS reserved,
    sum(CASE WHEN account = 2 THEN value ELSE 0 END) AS in_transit,
    sum(CASE WHEN account = 4 THEN value ELSE 0 END) AS granted
FROM counter INDEXED BY counter_by_sku
WHERE sku = :sku AND location >= :location_from AND (:location IS NULL OR location = :location)
GROUP BY sku, location, lot ORDER BY sku, location, lot;

-- name: count_up_to
SELECT count(*) FROM (SELECT 1 FROM counter LIMIT :limit);

-- name: page
-- The key is the order, so grouping streams and stops at the limit.
SELECT location, sku,
    sum(CASE WHEN account = 0 THEN value ELSE 0 END) AS on_hand,
    sum(CASE WHEN account = 1 THEN value ELSE 0 END) AS reserved,
    sum(CASE WHEN account = 2 THEN value ELSE 0 END) AS in_transit,
    sum(CASE WHEN account = 4 THEN value ELSE 0 END) AS granted,
    max(hub_seq) AS hub_seq,
    sum(account = 0 AND lot <> '' AND value > 0) AS lots_on_hand
FROM counter
WHERE (location, sku) > (:location_after, :sku_after)
GROUP BY location, sku ORDER BY location, sku LIMIT :limit;

-- name: page_at_location
SELECT location, sku,
    sum(CASE WHEN account = 0 THEN value ELSE 0 END) AS on_hand,
    sum(CASE WHEN account = 1 THEN value ELSE 0 END) AS reserved,
    sum(CASE WHEN account = 2 THEN value ELSE 0 END) AS in_transit,
    sum(CASE WHEN account = 4 THEN value ELSE 0 END) AS granted,
    max(hub_seq) AS hub_seq,
    sum(account = 0 AND lot <> '' AND value > 0) AS lots_on_hand
FROM counter
WHERE location = :location AND (location, sku) > (:location_after, :sku_after)
GROUP BY location, sku ORDER BY location, sku LIMIT :limit;

-- name: page_of_sku
SELECT location, sku,
    sum(CASE WHEN account = 0 THEN value ELSE 0 END) AS on_hand,
    sum(CASE WHEN account = 1 THEN value ELSE 0 END) AS reserved,
    sum(CASE WHEN account = 2 THEN value ELSE 0 END) AS in_transit,
    sum(CASE WHEN account = 4 THEN value ELSE 0 END) AS granted,
    max(hub_seq) AS hub_seq,
    sum(account = 0 AND lot <> '' AND value > 0) AS lots_on_hand
FROM counter INDEXED BY counter_by_sku
WHERE sku = :sku AND (:location IS NULL OR location = :location)
    AND (:pattern IS NULL OR sku LIKE :pattern ESCAPE '\' OR sku IN (
        SELECT sku_text.id FROM sku_search
        CROSS JOIN sku_text ON sku_text.position = sku_search.rowid WHERE sku_search MATCH :words
    ))
    AND (location, sku) > (:location_after, :sku_after)
GROUP BY location, sku ORDER BY location, sku LIMIT :limit;

-- name: page_matching
SELECT location, sku,
    sum(CASE WHEN account = 0 THEN value ELSE 0 END) AS on_hand,
    sum(CASE WHEN account = 1 THEN value ELSE 0 END) AS reserved,
    sum(CASE WHEN account = 2 THEN value ELSE 0 END) AS in_transit,
    sum(CASE WHEN account = 4 THEN value ELSE 0 END) AS granted,
    max(hub_seq) AS hub_seq,
    sum(account = 0 AND lot <> '' AND value > 0) AS lots_on_hand
FROM counter
WHERE (:location IS NULL OR location = :location)
    AND (sku LIKE :pattern ESCAPE '\' OR sku IN (
        SELECT sku_text.id FROM sku_search
        CROSS JOIN sku_text ON sku_text.position = sku_search.rowid WHERE sku_search MATCH :words
    ))
    AND (location, sku) > (:location_after, :sku_after)
GROUP BY location, sku ORDER BY location, sku LIMIT :limit;

-- name: lots
SELECT lot,
    sum(CASE WHEN account = 0 THEN value ELSE 0 END) AS on_hand,
    sum(CASE WHEN account = 1 THEN value ELSE 0 END) AS reserved,
    sum(CASE WHEN account = 2 THEN value ELSE 0 END) AS in_transit,
    sum(CASE WHEN account = 4 THEN value ELSE 0 END) AS granted,
    max(hub_seq) AS hub_seq
FROM counter
WHERE location = :location AND sku = :sku
GROUP BY lot ORDER BY lot LIMIT 10000;

-- name: sku_is_counted
SELECT EXISTS (SELECT 1 FROM counter WHERE sku = :sku);

-- name: pair_is_counted
SELECT EXISTS (SELECT 1 FROM counter WHERE location = :location AND sku = :sku);

-- name: location_is_counted
SELECT EXISTS (SELECT 1 FROM counter WHERE location = :location);

-- name: document_exists
SELECT EXISTS (SELECT 1 FROM document WHERE collection = :collection AND id = :id);

-- name: shelf
-- One look for all that recording a line needs to know.
SELECT
    coalesce(sum(CASE WHEN account = 0 AND lot = :lot THEN value END), 0) AS in_lot,
    coalesce(sum(CASE WHEN account = 0 THEN value END), 0) AS on_hand,
    coalesce(sum(CASE WHEN account IN (1, 4) THEN value END), 0) AS promised,
    coalesce(sum(account = 0 AND lot <> '' AND value > 0), 0) AS lots_on_hand,
    (
        -- Of what the catalogue says only whether lots are tracked and a witness is needed is asked for: few documents
        -- speak of either.
        SELECT CASE WHEN instr(shown, CAST('lot_tracked' AS BLOB)) OR instr(shown, CAST('witness' AS BLOB))
            THEN shown ELSE x'' END
        FROM document WHERE collection = 'skus' AND id = :sku
    ) AS described
FROM counter WHERE location = :location AND sku = :sku;

-- name: sku_totals
SELECT
    coalesce(sum(CASE WHEN account = 0 THEN value ELSE 0 END), 0) AS on_hand,
    coalesce(sum(CASE WHEN account = 1 THEN value ELSE 0 END), 0) AS reserved,
    coalesce(sum(CASE WHEN account = 2 THEN value ELSE 0 END), 0) AS in_transit,
    coalesce(sum(CASE WHEN account = 4 THEN value ELSE 0 END), 0) AS granted,
    coalesce(max(hub_seq), 0) AS hub_seq,
    coalesce(sum(account = 0 AND lot <> '' AND value > 0), 0) AS lots_on_hand
FROM counter WHERE location = :location AND sku = :sku;

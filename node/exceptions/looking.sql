-- name: on_hand
SELECT lot, value FROM counter WHERE location = :location AND sku = :sku AND account = 0 ORDER BY lot;

-- name: is_described
-- A document without fields is one byte: what made it was set aside.
SELECT EXISTS (SELECT 1 FROM document WHERE collection = 'skus' AND id = :sku AND length(shown) > 1);

-- name: locations_of
SELECT DISTINCT location FROM counter INDEXED BY counter_by_sku WHERE sku = :sku ORDER BY location;

-- name: skus_after
SELECT DISTINCT sku FROM counter WHERE location = :location AND sku > :sku ORDER BY sku LIMIT :limit;

-- name: location_after
SELECT location FROM counter WHERE location > :location ORDER BY location LIMIT 1;

-- name: set_aside_after
SELECT quarantined.seq, quarantined.code, quarantined.detail, log.body
FROM quarantined JOIN log ON log.seq = quarantined.seq
WHERE quarantined.seq > :seq ORDER BY quarantined.seq LIMIT :limit;

-- name: has_sign
-- Whether there may be anything to find in a document, of what is shown of it unread.
SELECT EXISTS (
    SELECT 1 FROM document WHERE collection = :collection AND id = :id AND instr(shown, :sign) > 0
);

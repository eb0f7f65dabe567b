-- name: known
SELECT condition, rule, lot, number FROM alert WHERE location = :location AND sku = :sku ORDER BY lot, condition, rule;

-- name: raise
INSERT INTO alert (
    position, id, location, sku, lot, condition, rule, notification, number, amount, threshold, expiry, raised_at
)
VALUES (
    (SELECT coalesce(max(position), 0) + 1 FROM alert),
    :id, :location, :sku, :lot, :condition, :rule, :notification, :number, :amount, :threshold, :expiry, :now
)
ON CONFLICT (location, sku, lot, condition, rule) DO UPDATE SET
    position = excluded.position,
    notification = excluded.notification,
    number = excluded.number,
    amount = excluded.amount,
    threshold = excluded.threshold,
    expiry = excluded.expiry,
    raised_at = excluded.raised_at,
    cleared_at = NULL,
    acknowledged_at = NULL,
    acknowledged_by = NULL
WHERE alert.number < excluded.number;

-- name: clear
UPDATE alert SET number = :number, cleared_at = :now
WHERE location = :location AND sku = :sku AND lot = :lot AND condition = :condition AND rule = :rule
    AND number < :number;

-- name: of_subject
SELECT position, id, location, sku, lot, condition, rule, notification, number, amount, threshold, expiry, raised_at,
    cleared_at, acknowledged_at, acknowledged_by
FROM alert
WHERE location = :location AND sku = :sku AND lot = :lot AND condition = :condition AND rule = :rule;

-- name: one
SELECT position, id, location, sku, lot, condition, rule, notification, number, amount, threshold, expiry, raised_at,
    cleared_at, acknowledged_at, acknowledged_by
FROM alert WHERE id = :id;

-- name: newest
SELECT position, id, location, sku, lot, condition, rule, notification, number, amount, threshold, expiry, raised_at,
    cleared_at, acknowledged_at, acknowledged_by
FROM alert
WHERE position < :before AND (:location IS NULL OR location = :location)
    AND (:condition IS NULL OR condition = :condition) AND (:is_cleared IS NULL OR cleared_at IS NOT NULL)
ORDER BY position DESC LIMIT :limit;

-- name: newest_open
SELECT position, id, location, sku, lot, condition, rule, notification, number, amount, threshold, expiry, raised_at,
    cleared_at, acknowledged_at, acknowledged_by
FROM alert INDEXED BY alert_open
WHERE cleared_at IS NULL AND position < :before AND (:location IS NULL OR location = :location)
    AND (:condition IS NULL OR condition = :condition)
ORDER BY position DESC LIMIT :limit;

-- name: count_open
SELECT condition, count(*) AS count FROM alert INDEXED BY alert_open WHERE cleared_at IS NULL GROUP BY condition;

-- name: pairs_of_rule
SELECT DISTINCT location, sku FROM alert WHERE rule = :rule AND rule <> '' ORDER BY location, sku LIMIT :limit;

-- name: skus_after
-- What there is to look at of a location: what was counted there, what it wants, and what was told of it.
SELECT sku FROM (
    SELECT sku FROM (
        SELECT DISTINCT sku FROM counter WHERE location = :location AND sku > :sku ORDER BY sku LIMIT :limit
    )
    UNION
    SELECT sku FROM (
        SELECT DISTINCT sku FROM alert WHERE location = :location AND sku > :sku ORDER BY sku LIMIT :limit
    )
)
ORDER BY sku LIMIT :limit;

-- name: raised_at_location
SELECT condition, rule, location, sku, lot, number FROM alert
WHERE location = :location AND cleared_at IS NULL ORDER BY sku, lot, condition, rule LIMIT :limit;

-- name: unacknowledged
SELECT position, id, location, sku, lot, condition, rule, notification, number, amount, threshold, expiry, raised_at,
    cleared_at, acknowledged_at, acknowledged_by
FROM alert
WHERE location = :location AND sku = :sku AND cleared_at IS NULL AND acknowledged_at IS NULL
ORDER BY lot, condition, rule;

-- name: acknowledge
UPDATE alert SET acknowledged_at = :now, acknowledged_by = :by WHERE id = :id AND acknowledged_at IS NULL;

-- name: read_mark
SELECT n FROM alert_mark WHERE only = 1;

-- name: save_mark
INSERT INTO alert_mark (only, n) VALUES (1, :n) ON CONFLICT (only) DO UPDATE SET n = excluded.n;

-- name: places
SELECT location, basis FROM alert_place ORDER BY location;

-- name: save_place
INSERT INTO alert_place (location, basis) VALUES (:location, :basis)
ON CONFLICT (location) DO UPDATE SET basis = excluded.basis;

-- name: forget_places
UPDATE alert_place SET basis = '';

-- name: forget_place
DELETE FROM alert_place WHERE location = :location;

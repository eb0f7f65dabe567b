-- name: log_in_order
SELECT seq, body, chain FROM log ORDER BY seq;

-- name: shown_differs
SELECT counter.location, counter.sku, counter.lot, counter.account, counter.value,
    counter.total + coalesce(sum(pending_delta.delta), 0) AS expected
FROM counter LEFT JOIN pending_delta USING (location, sku, lot, account)
GROUP BY counter.location, counter.sku, counter.lot, counter.account
HAVING counter.value <> counter.total + coalesce(sum(pending_delta.delta), 0)
ORDER BY counter.location, counter.sku, counter.lot, counter.account LIMIT 100;

-- name: pending_without_counter
SELECT location, sku, lot, account, seq FROM pending_delta
WHERE NOT EXISTS (
    SELECT 1 FROM counter
    WHERE counter.location = pending_delta.location AND counter.sku = pending_delta.sku
        AND counter.lot = pending_delta.lot AND counter.account = pending_delta.account
)
ORDER BY location, sku, lot, account, seq LIMIT 100;

-- name: pending_by_operation
-- One pass and one sort: a look for each operation would go over the whole table, whose key begins with the location.
SELECT seq, location, sku, lot, account, delta FROM pending_delta
ORDER BY seq, location, sku, lot, account;

-- name: scopes
SELECT scope, rows, digest, hub_seq, caught_up FROM scope ORDER BY scope;

-- name: sent_counters
SELECT location, sku, lot, account, total, hub_seq, tail FROM counter WHERE hub_seq > 0
ORDER BY location, sku, lot, account;

-- name: sent_documents
SELECT collection, id, fields, scopes, hub_seq, tail FROM document WHERE hub_seq > 0
ORDER BY collection, id;

-- name: listed
SELECT position, seq, kind, location, reference, occurred_at FROM movement WHERE op_id = :op_id;

-- name: is_listed_sku
SELECT 1 FROM movement_sku WHERE sku = :sku AND position = :position AND lot = :lot;

-- name: count_listed_skus
SELECT count(*) FROM movement_sku;

-- name: listed_skus
-- Every line with the operation that it is said to be of; read only when there are more lines than there should be.
SELECT movement_sku.sku, movement_sku.position, movement_sku.lot, movement.seq,
    coalesce(movement.body, log.body) AS body
FROM movement_sku
LEFT JOIN movement ON movement.position = movement_sku.position
LEFT JOIN log ON log.seq = movement.seq AND movement.body IS NULL
ORDER BY movement_sku.sku, movement_sku.position, movement_sku.lot;

-- name: listed_without_operation
SELECT movement.seq FROM movement
WHERE movement.body IS NULL AND NOT EXISTS (SELECT 1 FROM log WHERE log.seq = movement.seq)
ORDER BY movement.position LIMIT 100;

-- name: held_movements
SELECT position, seq, body, body_hash FROM movement WHERE body IS NOT NULL ORDER BY position;

-- name: kept_edits
SELECT position, body, body_hash FROM kept_edit ORDER BY position;

-- name: log_after
SELECT seq, body, chain FROM log WHERE seq > :seq ORDER BY seq;

-- name: one_shown_differs
SELECT location, sku, lot, account, value, total + (
    SELECT coalesce(sum(delta), 0) FROM pending_delta AS own_delta
    WHERE own_delta.location = counter.location AND own_delta.sku = counter.sku
        AND own_delta.lot = counter.lot AND own_delta.account = counter.account
) AS expected
FROM counter
WHERE location = :location AND sku = :sku AND lot = :lot AND account = :account AND value <> total + (
    SELECT coalesce(sum(delta), 0) FROM pending_delta AS own_delta
    WHERE own_delta.location = counter.location AND own_delta.sku = counter.sku
        AND own_delta.lot = counter.lot AND own_delta.account = counter.account
);

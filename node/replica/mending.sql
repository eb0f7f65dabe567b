-- name: counters
SELECT sku, lot, account, total, hub_seq, tail FROM counter
WHERE location = :location AND hub_seq > 0 ORDER BY sku, lot, account;

-- name: counter
SELECT total, hub_seq, tail FROM counter
WHERE location = :location AND sku = :sku AND lot = :lot AND account = :account;

-- name: document
SELECT fields, scopes, hub_seq, tail FROM document WHERE collection = :collection AND id = :id;

-- name: clear_counter
UPDATE counter SET total = 0, hub_seq = 0, own = 0, tail = NULL, value = (
    SELECT coalesce(sum(own_delta.delta), 0) FROM pending_delta AS own_delta
    WHERE own_delta.location = counter.location AND own_delta.sku = counter.sku
        AND own_delta.lot = counter.lot AND own_delta.account = counter.account
)
WHERE location = :location AND sku = :sku AND lot = :lot AND account = :account;

-- name: sent_at
SELECT sku, lot, account, total, hub_seq, tail FROM counter
WHERE location = :location AND hub_seq > 0 ORDER BY sku, lot, account LIMIT :limit;

-- name: forget_counter
UPDATE counter SET hub_seq = 0, own = 0, tail = NULL
WHERE location = :location AND sku = :sku AND lot = :lot AND account = :account;

-- name: forget_document
UPDATE document SET hub_seq = 0, own = 0 WHERE collection = :collection AND id = :id;

-- name: read_repair
SELECT began_at FROM repair WHERE scope = :scope;

-- name: save_repair
INSERT INTO repair (scope, began_at) VALUES (:scope, :now)
ON CONFLICT (scope) DO UPDATE SET began_at = excluded.began_at;

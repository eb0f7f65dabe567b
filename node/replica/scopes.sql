-- name: begin
INSERT INTO scope (scope, salt, digest, held) VALUES (:scope, zeroblob(8), zeroblob(16), 1)
ON CONFLICT (scope) DO UPDATE SET held = 1, going = NULL;

-- name: know
INSERT INTO scope (scope, salt, digest, held) VALUES (:scope, zeroblob(8), zeroblob(16), 0)
ON CONFLICT (scope) DO NOTHING;

-- name: all_held
SELECT scope, cursor, salt, caught_up FROM scope WHERE held = 1 ORDER BY scope;

-- name: read
SELECT cursor, salt, own, caught_up, held, rows, digest, hub_seq, going FROM scope WHERE scope = :scope;

-- name: save_digest
UPDATE scope SET rows = :rows, digest = :digest, hub_seq = max(hub_seq, :hub_seq) WHERE scope = :scope;

-- name: set_digest
UPDATE scope SET rows = :rows, digest = :digest, hub_seq = :hub_seq WHERE scope = :scope;

-- name: advance
UPDATE scope SET cursor = :to, salt = :salt WHERE scope = :scope AND cursor <= :to;

-- name: read_to_end
UPDATE scope SET own = max(own, :own), caught_up = 1, inside = coalesce(:inside, inside) WHERE scope = :scope;

-- name: advance_all
UPDATE scope SET cursor = :to, salt = :salt WHERE held = 1 AND cursor < :to;

-- name: start_over
UPDATE scope SET cursor = 0, salt = zeroblob(8), own = 0, caught_up = 0 WHERE scope = :scope;

-- name: let_go
UPDATE scope SET held = 0, cursor = 0, salt = zeroblob(8), own = 0, caught_up = 0
WHERE scope = :scope;

-- name: save_going
UPDATE scope SET going = :going WHERE scope = :scope;

-- name: going
SELECT scope FROM scope WHERE going IS NOT NULL ORDER BY scope;

-- name: drop_counters
-- Own operations that the hub does not have yet stay on top, so their rows stay.
DELETE FROM counter WHERE (location, sku, lot, account) IN (
    SELECT location, sku, lot, account FROM counter AS idle
    WHERE location = :location AND NOT EXISTS (
        SELECT 1 FROM pending_delta
        WHERE pending_delta.location = idle.location AND pending_delta.sku = idle.sku
            AND pending_delta.lot = idle.lot AND pending_delta.account = idle.account
    )
    ORDER BY sku, lot, account LIMIT :limit
)
RETURNING location, sku, lot, account, total, hub_seq, tail;

-- name: totals
SELECT location, sku, lot, account, total, hub_seq, tail FROM counter
WHERE location = :location AND (hub_seq > 0 OR total <> 0) ORDER BY sku, lot, account;

-- name: forget_totals
-- Also those of a new epoch, of which no row came yet.
UPDATE counter SET value = value - total, total = 0, hub_seq = 0, own = 0, tail = NULL
WHERE location = :location AND (hub_seq > 0 OR total <> 0);

-- name: documents_after
SELECT collection, id, fields, scopes, hub_seq, tail FROM document
WHERE (collection, id) > (:collection, :id) ORDER BY collection, id LIMIT :limit;

-- name: documents_to_drop
SELECT collection, id, fields, scopes, hub_seq, tail, EXISTS (
    SELECT 1 FROM pending_edit
    WHERE pending_edit.collection = document.collection AND pending_edit.id = document.id
) AS is_edited
FROM document
WHERE (collection, id) > (:collection, :id) ORDER BY collection, id LIMIT :limit;

-- name: forget_counter_marks
-- What is shown stays; the total becomes what is shown less what is on top.
UPDATE counter SET hub_seq = 0, own = 0, total = value - (
    SELECT coalesce(sum(own_delta.delta), 0) FROM pending_delta AS own_delta
    WHERE own_delta.location = counter.location AND own_delta.sku = counter.sku
        AND own_delta.lot = counter.lot AND own_delta.account = counter.account
);

-- name: forget_document_marks
UPDATE document SET hub_seq = 0, own = 0;

-- name: forget_scope_marks
UPDATE scope SET cursor = 0, salt = zeroblob(8), own = 0, caught_up = 0, rows = 0, digest = zeroblob(16),
    hub_seq = 0;

-- name: left_behind
SELECT DISTINCT location FROM pending_delta
WHERE NOT EXISTS (
    SELECT 1 FROM scope WHERE scope.scope = 'stock:' || pending_delta.location AND scope.held = 1
)
ORDER BY location;

-- name: has_deltas
SELECT EXISTS (SELECT 1 FROM pending_delta WHERE location = :location);

-- name: forget_pulled
-- Positions of the ledger may be given again in another epoch; what is listed already is found by its op_id.
DELETE FROM pulled;

-- name: forget_deltas
DELETE FROM pending_delta;

-- name: forget_edits
DELETE FROM pending_edit;

-- name: forget_quarantine_after
DELETE FROM quarantined WHERE seq > :seq;

-- name: quarantined_after
SELECT log.seq, log.body FROM quarantined JOIN log ON log.seq = quarantined.seq
WHERE quarantined.seq > :seq ORDER BY quarantined.seq;

-- name: cap_status_seen
UPDATE replica SET status_seen = min(status_seen, :seq) WHERE only = 1;

-- name: log_after
SELECT seq, body FROM log
WHERE seq > :seq AND seq NOT IN (SELECT seq FROM quarantined)
ORDER BY seq;

-- name: show_what_is_on_top
INSERT INTO counter (location, sku, lot, account, value)
SELECT location, sku, lot, account, sum(delta) FROM pending_delta WHERE true
GROUP BY location, sku, lot, account
ON CONFLICT (location, sku, lot, account) DO NOTHING
RETURNING location, sku;

-- name: clear_unsent_counters
UPDATE counter SET total = 0, value = (
    SELECT coalesce(sum(delta), 0) FROM pending_delta AS own_delta
    WHERE own_delta.location = counter.location AND own_delta.sku = counter.sku
        AND own_delta.lot = counter.lot AND own_delta.account = counter.account
)
WHERE location = :location AND hub_seq = 0
RETURNING sku;

-- name: begin_replica
INSERT INTO replica (only, id) VALUES (1, :id)
ON CONFLICT (only) DO UPDATE SET id = excluded.id, acked = 0, stable = 0, status_seen = 0;

-- name: forget_quarantine
DELETE FROM quarantined;

-- name: forget_counter_own
UPDATE counter SET own = 0 WHERE own <> 0;

-- name: forget_document_own
UPDATE document SET own = 0 WHERE own <> 0;

-- name: forget_scope_own
UPDATE scope SET own = 0;

-- name: unsent_documents
SELECT collection, id, scopes FROM document WHERE hub_seq = 0 ORDER BY collection, id;

-- name: save_scopes
UPDATE document SET scopes = :scopes WHERE collection = :collection AND id = :id;

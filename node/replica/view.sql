-- name: add_to_counter
INSERT INTO counter (location, sku, lot, account, value)
VALUES (:location, :sku, :lot, :account, :delta)
ON CONFLICT (location, sku, lot, account) DO UPDATE SET value = counter.value + excluded.value;

-- name: take_from_counter
UPDATE counter SET value = value - :delta
WHERE location = :location AND sku = :sku AND lot = :lot AND account = :account;

-- name: add_pending_delta
INSERT INTO pending_delta (location, sku, lot, account, seq, delta)
VALUES (:location, :sku, :lot, :account, :seq, :delta)
ON CONFLICT (location, sku, lot, account, seq) DO UPDATE SET
    delta = pending_delta.delta + excluded.delta;

-- name: forget_location_deltas
DELETE FROM pending_delta WHERE location = :location AND seq <= :own
RETURNING sku, lot, account, delta;

-- name: forget_some_deltas
DELETE FROM pending_delta WHERE location = :location AND seq IN (SELECT value FROM json_each(:seqs))
RETURNING sku, lot, account, delta;

-- name: has_delta
SELECT EXISTS (
    SELECT 1 FROM pending_delta
    WHERE location = :location AND sku = :sku AND lot = :lot AND account = :account AND seq = :seq
);

-- name: has_edit
SELECT EXISTS (
    SELECT 1 FROM pending_edit WHERE collection = :collection AND id = :id AND seq = :seq
);

-- name: edits_of
SELECT collection, id, seq, effects FROM pending_edit
WHERE seq IN (SELECT value FROM json_each(:seqs)) ORDER BY seq, collection, id;

-- name: forget_operation_deltas
DELETE FROM pending_delta WHERE location = :location AND seq = :seq
RETURNING location, sku, lot, account, delta;

-- name: read_document
SELECT shown, fields, scopes, hub_seq, own, tail FROM document
WHERE collection = :collection AND id = :id;

-- name: save_document
-- It is numbered by the change that is the next to be noted: whoever has read up to any before has not seen it.
INSERT INTO document (collection, id, shown, fields, scopes, hub_seq, own, tail, changed)
VALUES (:collection, :id, :shown, :fields, :scopes, :hub_seq, :own, :tail,
    1 + coalesce((SELECT max(n) FROM change), 0))
ON CONFLICT (collection, id) DO UPDATE SET
    shown = excluded.shown, fields = excluded.fields, scopes = excluded.scopes,
    hub_seq = excluded.hub_seq, own = excluded.own, tail = excluded.tail, changed = excluded.changed;

-- name: note_office_part
-- The office's part of a document is shown as a part of it, so the document is what changed.
UPDATE document SET changed = (SELECT part.changed FROM document AS part WHERE part.collection = :part AND part.id = :id)
WHERE collection = :collection AND id = :id;

-- name: add_pending_edit
INSERT INTO pending_edit (collection, id, seq, effects) VALUES (:collection, :id, :seq, :effects);

-- name: forget_row_edits
DELETE FROM pending_edit WHERE collection = :collection AND id = :id AND seq <= :own;

-- name: row_edits
SELECT seq, effects FROM pending_edit WHERE collection = :collection AND id = :id ORDER BY seq;

-- name: edits_up_to
SELECT collection, id, seq, effects FROM pending_edit WHERE seq <= :own ORDER BY seq, collection, id;

-- name: edits_near
-- Those of documents that may be in a scope: its name is among the bytes. Whoever asks looks again at each, and at no other.
SELECT collection, id, seq, effects FROM pending_edit
WHERE seq <= :own AND (
    instr(effects, :scope) > 0
    OR EXISTS (
        SELECT 1 FROM document
        WHERE document.collection = pending_edit.collection AND document.id = pending_edit.id
            AND instr(document.scopes, :scope) > 0
    )
)
ORDER BY seq, collection, id;

-- name: forget_edit
DELETE FROM pending_edit WHERE collection = :collection AND id = :id AND seq = :seq;

-- name: edits
SELECT collection, id, seq, effects FROM pending_edit ORDER BY seq, collection, id;

-- name: save_base
UPDATE document SET fields = :fields, scopes = :scopes, hub_seq = 0, own = 0, tail = NULL
WHERE collection = :collection AND id = :id;

-- name: drop_document
DELETE FROM document WHERE collection = :collection AND id = :id;

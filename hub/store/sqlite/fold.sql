-- name: head
-- The sequencer: the single writer takes the next number after this one. No row before the first commit.
SELECT commit_salt.last_hub_seq, commit_salt.salt
FROM commit_salt ORDER BY commit_salt.last_hub_seq DESC LIMIT 1;

-- name: salt
INSERT INTO commit_salt (last_hub_seq, salt, committed_at) VALUES (:last_hub_seq, :salt, :now_ms);

-- name: counter
-- A counter and what this replica has added to it so far.
SELECT counter.id, counter.total, counter.hub_seq, entry.plus, entry.minus
FROM counter
LEFT JOIN entry ON entry.counter = counter.id AND entry.replica = :replica
WHERE counter.location = :location AND counter.sku = :sku AND counter.lot = :lot
  AND counter.account = :account;

-- name: last_counter
SELECT coalesce(max(counter.id), 0) FROM counter;

-- name: add_counter
INSERT INTO counter (id, location, sku, lot, account, total, hub_seq)
VALUES (:id, :location, :sku, :lot, :account, :total, :hub_seq);

-- name: set_counter
UPDATE counter SET total = :total, hub_seq = :hub_seq WHERE id = :id;

-- name: set_entry
INSERT INTO entry (counter, replica, seq, plus, minus)
VALUES (:counter, :replica, :seq, :plus, :minus)
ON CONFLICT (counter, replica) DO UPDATE
SET seq = excluded.seq, plus = excluded.plus, minus = excluded.minus;

-- name: document
SELECT document.id, document.fields, document.hub_seq
FROM document
WHERE document.collection = :collection AND document.document_id = :document_id;

-- name: document_scopes
-- At most SCOPES_PER_DOCUMENT_MAX.
SELECT document_scope.scope FROM document_scope
WHERE document_scope.document = :document ORDER BY document_scope.scope;

-- name: last_document
SELECT coalesce(max(document.id), 0) FROM document;

-- name: set_document
INSERT INTO document (id, collection, document_id, fields, hub_seq)
VALUES (:id, :collection, :document_id, :fields, :hub_seq)
ON CONFLICT (id) DO UPDATE SET fields = excluded.fields, hub_seq = excluded.hub_seq;

-- name: set_document_scope
INSERT INTO document_scope (document, scope, hub_seq) VALUES (:document, :scope, :hub_seq)
ON CONFLICT (document, scope) DO UPDATE SET hub_seq = excluded.hub_seq;

-- name: scope
SELECT scope.rows, scope.digest, scope.hub_seq, scope.writers,
  EXISTS (
    SELECT 1 FROM scope_writer
    WHERE scope_writer.scope = scope.scope AND scope_writer.replica = :replica
  ) AS writes
FROM scope WHERE scope.scope = :scope;

-- name: set_scope
INSERT INTO scope (scope, rows, digest, hub_seq, writers)
VALUES (:scope, :rows, :digest, :hub_seq, :writers)
ON CONFLICT (scope) DO UPDATE
SET rows = excluded.rows, digest = excluded.digest, hub_seq = excluded.hub_seq,
  writers = excluded.writers;

-- name: add_writer
INSERT INTO scope_writer (scope, replica) VALUES (:scope, :replica);

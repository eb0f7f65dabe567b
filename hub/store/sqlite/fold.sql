-- name: head
-- The sequencer: the single writer takes the next number after this one. No row before the first commit.
SELECT commit_salt.last_hub_seq, commit_salt.salt
FROM commit_salt ORDER BY commit_salt.last_hub_seq DESC LIMIT 1;

-- name: salt
INSERT INTO commit_salt (last_hub_seq, salt, committed_at) VALUES (:last_hub_seq, :salt, :now_ms);

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

-- name: scratch_entry
CREATE TABLE entry (
  counter INTEGER NOT NULL,
  replica INTEGER NOT NULL,
  seq     INTEGER NOT NULL,
  plus    INTEGER NOT NULL,
  minus   INTEGER NOT NULL,
  PRIMARY KEY (counter, replica)
) STRICT, WITHOUT ROWID;

-- name: scratch_document
CREATE TABLE document (
  collection  TEXT NOT NULL,
  document_id TEXT NOT NULL,
  fields      BLOB NOT NULL,
  scopes      TEXT NOT NULL,
  PRIMARY KEY (collection, document_id)
) STRICT, WITHOUT ROWID;

-- name: scratch_writer
CREATE TABLE writer (
  scope   TEXT NOT NULL,
  replica INTEGER NOT NULL,
  PRIMARY KEY (scope, replica)
) STRICT, WITHOUT ROWID;

-- name: add_entry
INSERT INTO entry (counter, replica, seq, plus, minus) VALUES (:counter, :replica, :seq, :plus, :minus)
ON CONFLICT (counter, replica) DO UPDATE
SET seq = excluded.seq, plus = entry.plus + excluded.plus, minus = entry.minus + excluded.minus;

-- name: get_document
SELECT document.fields, document.scopes FROM document
WHERE document.collection = :collection AND document.document_id = :document_id;

-- name: put_document
INSERT INTO document (collection, document_id, fields, scopes)
VALUES (:collection, :document_id, :fields, :scopes)
ON CONFLICT (collection, document_id) DO UPDATE
SET fields = excluded.fields, scopes = excluded.scopes;

-- name: add_writer
INSERT INTO writer (scope, replica) VALUES (:scope, :replica) ON CONFLICT DO NOTHING;

-- name: ledger
-- Streamed: one log after another, each in its order.
SELECT ledger.position, ledger.replica, ledger.seq, ledger.accepted_at, ledger.code, ledger.repeats,
  coalesce(ledger.body, counted.body) AS body, counted.body AS counted
FROM ledger
LEFT JOIN ledger AS counted ON counted.position = ledger.repeats
ORDER BY ledger.replica, ledger.seq;

-- name: applied_at
SELECT applied.position FROM applied WHERE applied.op_id = :op_id AND applied.home = :home;

-- name: counter_id
SELECT counter.id FROM counter
WHERE counter.location = :location AND counter.sku = :sku AND counter.lot = :lot
  AND counter.account = :account;

-- name: entries
-- Streamed; the same order in both databases.
SELECT entry.counter, entry.replica, entry.seq, entry.plus, entry.minus
FROM entry ORDER BY entry.counter, entry.replica;

-- name: documents
-- Streamed.
SELECT document.id, document.collection, document.document_id, document.fields
FROM document ORDER BY document.id;

-- name: count_documents
SELECT count(*) FROM document;

-- name: writers
-- Streamed.
SELECT writer.scope, writer.replica FROM writer ORDER BY writer.scope, writer.replica;

-- name: scope_writers
-- Streamed.
SELECT scope_writer.scope, scope_writer.replica FROM scope_writer
ORDER BY scope_writer.scope, scope_writer.replica;

-- name: announce
INSERT INTO sealing_key (node, record) VALUES (:node, :record)
ON CONFLICT (node) DO UPDATE SET record = :record;

-- name: standing
-- What is kept of a sealed part; or that the record's keys are destroyed, which names none.
SELECT record_key.key FROM record_key
WHERE record_key.location = :location AND record_key.op_id = :op_id AND record_key.box IN (x'', :box)
ORDER BY record_key.box LIMIT 1;

-- name: destroy
-- All keys of a record, but not that they are destroyed.
DELETE FROM record_key WHERE location = :location AND op_id = :op_id AND box <> x'';

-- name: keep
INSERT INTO record_key (location, op_id, box, key, changed)
VALUES (
  :location, :op_id, :box, :key,
  (SELECT coalesce(max(record_key.changed), 0) + 1 FROM record_key WHERE record_key.location = :location)
)
ON CONFLICT (location, op_id, box) DO UPDATE SET key = excluded.key, changed = excluded.changed;

-- name: changed
SELECT record_key.key, record_key.changed FROM record_key
WHERE record_key.location = :location AND record_key.changed > :after
ORDER BY record_key.changed LIMIT :limit;

-- name: sealers
-- Who writes the location now: a handful.
SELECT node.certificate, sealing_key.record
FROM node_right
JOIN node ON node.node = node_right.node
JOIN sealing_key ON sealing_key.node = node_right.node
WHERE node_right.location = :location AND node_right.until IS NULL AND node.status = 'active'
ORDER BY node_right.node LIMIT :limit;

-- name: keep_recovery
INSERT INTO meta (key, value) VALUES ('recovery', :value)
ON CONFLICT (key) DO UPDATE SET value = :value;

-- name: recovery
SELECT meta.value FROM meta WHERE meta.key = 'recovery';

-- name: sealed_records
-- Every record whose key is kept, with the operation that counts under its id at its location.
SELECT record_key.location, record_key.op_id, record_key.box, record_key.key, ledger.body
FROM record_key
JOIN applied ON applied.op_id = record_key.op_id AND applied.home = record_key.location
JOIN ledger ON ledger.position = applied.position
WHERE (record_key.location, record_key.op_id, record_key.box) > (:location, :op_id, :box)
ORDER BY record_key.location, record_key.op_id, record_key.box LIMIT :limit;

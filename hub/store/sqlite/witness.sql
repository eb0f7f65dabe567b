-- name: last_note
SELECT note.position, note.chain FROM note ORDER BY note.position DESC LIMIT 1;

-- name: add_note
INSERT INTO note (position, body, chain) VALUES (:position, :body, :chain);

-- name: newest
SELECT checkpoint.number, checkpoint.epoch, checkpoint.made_at, checkpoint.operations,
  checkpoint.notes, checkpoint.record
FROM checkpoint ORDER BY checkpoint.number DESC LIMIT 1;

-- name: logs
-- As many as logs were ever begun.
SELECT replica.replica, replica.acked, replica.chain FROM replica WHERE replica.acked > 0 ORDER BY replica.replica;

-- name: operations
SELECT coalesce(max(ledger.position), 0) FROM ledger;

-- name: add_checkpoint
INSERT INTO checkpoint (number, epoch, made_at, operations, notes, record)
VALUES (:number, :epoch, :made_at, :operations, :notes, :record);

-- name: checkpoint
SELECT checkpoint.record FROM checkpoint WHERE checkpoint.number = :number;

-- name: checkpoints
SELECT newest.number, newest.record FROM (
  SELECT checkpoint.number, checkpoint.record FROM checkpoint
  WHERE checkpoint.number > :after ORDER BY checkpoint.number DESC LIMIT :limit
) AS newest ORDER BY newest.number;

-- name: log_end
SELECT replica.acked, replica.chain FROM replica WHERE replica.replica = :replica;

-- name: keep_head
INSERT INTO signed_head (replica, seq, record)
SELECT replica.id, :seq, :record FROM replica WHERE replica.replica = :replica
ON CONFLICT (replica) DO UPDATE SET seq = excluded.seq, record = excluded.record
WHERE excluded.seq > signed_head.seq;

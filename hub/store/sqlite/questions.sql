-- name: writers
-- Every replica that has written in a scope, and how far its log is in the ledger.
SELECT replica.id, replica.replica, replica.acked
FROM scope_writer
JOIN replica ON replica.id = scope_writer.replica
WHERE scope_writer.scope = :scope ORDER BY replica.id;

-- name: position_of
SELECT ledger.position FROM ledger WHERE ledger.replica = :replica AND ledger.seq = :seq;

-- name: entries
SELECT ledger.position, ledger.seq, ledger.accepted_at,
  ledger.code IS NULL AND ledger.repeats IS NULL AS counts, ledger.body
FROM ledger
WHERE ledger.replica = :replica AND ledger.seq >= :first
ORDER BY ledger.seq;

-- name: last_position
SELECT coalesce(max(ledger.position), 0) FROM ledger;

-- name: newest
-- In the order of commits, newest first.
SELECT ledger.position, replica.replica, ledger.seq, ledger.accepted_at, ledger.code, node.name,
  coalesce(ledger.body, counted.body) AS body
FROM ledger
JOIN replica ON replica.id = ledger.replica
JOIN node ON node.node = replica.node
LEFT JOIN ledger AS counted ON counted.position = ledger.repeats
WHERE ledger.position < :before ORDER BY ledger.position DESC LIMIT :limit;

-- name: logs_of
-- One node's logs, the newest first: as many as it was ever begun anew.
SELECT replica.id FROM replica WHERE replica.node = :node AND replica.id <= :from_log ORDER BY replica.id DESC;

-- name: newest_of_log
-- A log's positions rise with its seqs.
SELECT ledger.position, replica.replica, ledger.seq, ledger.accepted_at, ledger.code, node.name,
  coalesce(ledger.body, counted.body) AS body
FROM ledger
JOIN replica ON replica.id = ledger.replica
JOIN node ON node.node = replica.node
LEFT JOIN ledger AS counted ON counted.position = ledger.repeats
WHERE ledger.replica = :log AND ledger.seq < :before ORDER BY ledger.seq DESC LIMIT :limit;

-- name: notes
SELECT note.position, note.body FROM note WHERE note.position < :before ORDER BY note.position DESC LIMIT :limit;

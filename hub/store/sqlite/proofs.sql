-- name: logs
-- As many as were ever begun.
SELECT replica.id, replica.replica FROM replica ORDER BY replica.id;

-- name: ledger
-- Streamed, in the order of commits.
SELECT ledger.position, ledger.replica, ledger.seq, coalesce(ledger.body, counted.body) AS body
FROM ledger
LEFT JOIN ledger AS counted ON counted.position = ledger.repeats
ORDER BY ledger.position;

-- name: checkpoints
-- Streamed.
SELECT checkpoint.number, checkpoint.record FROM checkpoint ORDER BY checkpoint.number;

-- name: signed_heads
-- As many as logs were ever begun.
SELECT replica.replica, signed_head.record
FROM signed_head JOIN replica ON replica.id = signed_head.replica ORDER BY signed_head.replica;

-- name: notes
-- Streamed.
SELECT note.position, note.body, note.chain FROM note ORDER BY note.position;

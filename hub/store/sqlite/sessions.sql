-- name: replica
SELECT replica.id, replica.node, replica.acked, replica.chain FROM replica WHERE replica.replica = :replica;

-- name: register
INSERT INTO replica (replica, node, acked, chain, session, boot, registered_at)
VALUES (:replica, :node, 0, :chain, :session, :boot, :now_ms)
ON CONFLICT (replica) DO NOTHING;

-- name: fence
-- Whoever holds an older session finds this value instead of its own.
UPDATE replica SET session = :session, boot = :boot WHERE replica = :replica;

-- name: set_epoch
UPDATE meta SET value = :epoch WHERE key = 'epoch';

-- name: node_opened
UPDATE node SET replica = :replica, software = :software, last_seen_at = :now_ms WHERE node = :node;

-- name: node_seen
UPDATE node SET pending = coalesce(:pending, pending), last_seen_at = :now_ms WHERE node = :node;

-- name: retiring
SELECT 1 FROM node WHERE node.node = :node AND node.retiring_at IS NOT NULL;

-- name: writes_in
SELECT scope_writer.scope FROM scope_writer
WHERE scope_writer.replica = :replica ORDER BY scope_writer.scope LIMIT :limit;

-- name: newest_quarantined
SELECT coalesce(max(ledger.seq), 0) FROM ledger WHERE ledger.replica = :replica AND ledger.code IS NOT NULL;

-- name: quarantined
SELECT ledger.seq, ledger.code, ledger.detail
FROM ledger
JOIN replica ON replica.id = ledger.replica
WHERE replica.replica = :replica AND ledger.code IS NOT NULL AND ledger.seq > :after
ORDER BY ledger.seq LIMIT :limit;

-- name: homes_of
-- Under which homes an operation counts; one for almost every id.
SELECT applied.home FROM applied WHERE applied.op_id = :op_id ORDER BY applied.home LIMIT 1000;

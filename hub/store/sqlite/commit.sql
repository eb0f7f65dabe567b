-- name: replica
-- Where the hub stands with a replica, who owns it, and which session may push.
SELECT replica.id, replica.acked, replica.chain, replica.session, replica.node, node.role
FROM replica
JOIN node ON node.node = replica.node
WHERE replica.replica = :replica;

-- name: rights
-- Every location the node was ever allowed to write; bounded by what certificates hold.
SELECT node_right.location FROM node_right WHERE node_right.node = :node ORDER BY node_right.location;

-- name: last_position
SELECT coalesce(max(ledger.position), 0) FROM ledger;

-- name: applied_at
SELECT applied.position FROM applied WHERE applied.op_id = :op_id AND applied.home = :home;

-- name: body_at
-- An operation that counts always has its body.
SELECT ledger.body FROM ledger WHERE ledger.position = :position;

-- name: append
INSERT INTO ledger (position, replica, seq, accepted_at, code, detail, repeats, body)
VALUES (:position, :replica, :seq, :accepted_at, :code, :detail, :repeats, :body);

-- name: claim
-- One that counts already stays where it is, and is a repeat.
INSERT INTO applied (op_id, home, position) VALUES (:op_id, :home, :position)
ON CONFLICT (op_id, home) DO NOTHING;

-- name: unclaim
DELETE FROM applied WHERE op_id = :op_id AND home = :home;

-- name: advance
UPDATE replica SET acked = :acked, chain = :chain WHERE id = :id;

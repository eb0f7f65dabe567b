-- name: node
SELECT node.node, node.name, node.role, node.public_key, node.reads, node.serial, node.certificate, node.status,
  node.pending, node.software, node.last_seen_at, node.retiring_at, replica.replica, coalesce(replica.acked, 0) AS acked
FROM node
LEFT JOIN replica ON replica.id = node.replica
WHERE node.node = :node;

-- name: nodes
-- As many as devices were ever enrolled: thousands at most.
SELECT node.node FROM node ORDER BY node.name;

-- name: node_named
SELECT node.node FROM node WHERE node.name = :name;

-- name: add_node
INSERT INTO node (node, name, role, public_key, reads, serial, certificate, status, enrolled_at, software)
VALUES (:node, :name, :role, :public_key, :reads, :serial, :certificate, 'active', :now_ms, :software);

-- name: set_certificate
UPDATE node SET reads = :reads, serial = :serial, certificate = :certificate WHERE node = :node;

-- name: held
-- What a node may write now.
SELECT node_right.location FROM node_right
WHERE node_right.node = :node AND node_right.until IS NULL ORDER BY node_right.location;

-- name: ever_held
-- What it writes now first, then what ended last.
SELECT node_right.location FROM node_right WHERE node_right.node = :node
ORDER BY node_right.until IS NOT NULL, node_right.until DESC, node_right.location;

-- name: hold
INSERT INTO node_right (node, location, since, until) VALUES (:node, :location, :now_ms, NULL)
ON CONFLICT (node, location) DO UPDATE SET until = NULL;

-- name: held_once
INSERT INTO node_right (node, location, since, until) VALUES (:node, :location, :now_ms, :now_ms)
ON CONFLICT (node, location) DO NOTHING;

-- name: end_right
UPDATE node_right SET until = :now_ms
WHERE node = :node AND location = :location AND until IS NULL;

-- name: holder
-- Another active node that writes a location now.
SELECT node.name
FROM node_right
JOIN node ON node.node = node_right.node
WHERE node_right.location = :location AND node_right.until IS NULL AND node.status = 'active'
  AND node.name NOT IN (:name, :except)
ORDER BY node.name LIMIT 1;

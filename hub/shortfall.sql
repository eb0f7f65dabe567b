-- name: logs
-- Of every log, with whose it is; one row for each replica that there ever was.
SELECT replica.replica, replica.acked, node.name, node.status <> 'active' AS has_left
FROM replica JOIN node ON node.node = replica.node ORDER BY node.name, replica.id;

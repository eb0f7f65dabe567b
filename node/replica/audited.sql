-- name: log
SELECT seq, body FROM log WHERE seq < :before ORDER BY seq DESC LIMIT :limit;

-- name: movements
-- What has bytes of its own: others' movements, and this node's that left the log.
SELECT position, replica, seq, body FROM movement
WHERE body IS NOT NULL AND position < :before ORDER BY position DESC LIMIT :limit;

-- name: kept
SELECT position, body FROM kept_edit WHERE position < :before ORDER BY position DESC LIMIT :limit;

-- name: find
SELECT request, status, body FROM answer WHERE client = :client AND route = :route AND key = :key;

-- name: keep
INSERT INTO answer (client, route, key, request, status, body, answered_at)
VALUES (:client, :route, :key, :request, :status, :body, :now);

-- name: forget_old
DELETE FROM answer WHERE position IN (
    SELECT position FROM answer ORDER BY position LIMIT :limit
) AND answered_at < :before;

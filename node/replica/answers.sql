-- name: find
SELECT request, status, body FROM answer WHERE client = :client AND route = :route AND key = :key;

-- name: keep
INSERT INTO answer (client, route, key, request, status, body, answered_at)
VALUES (:client, :route, :key, :request, :status, :body, :now);

-- name: mark
-- Of those that end with the same answer the first mark stands: no answer is older than it says.
INSERT INTO answer_mark (upto, hub_at)
SELECT position, :hub_now FROM answer ORDER BY position DESC LIMIT 1
ON CONFLICT (upto) DO NOTHING;

-- name: forget_old
DELETE FROM answer WHERE position IN (
    SELECT position FROM answer
    WHERE position <= (SELECT max(upto) FROM answer_mark WHERE hub_at < :before)
    ORDER BY position LIMIT :limit
);

-- name: forget_marks
DELETE FROM answer_mark WHERE hub_at < :before;

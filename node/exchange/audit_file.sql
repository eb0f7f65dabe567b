-- name: log
-- Streamed: which of it was recorded within a time says only each operation itself.
SELECT seq, body FROM log ORDER BY seq;

-- name: piece
SELECT seq, body, chain FROM log WHERE seq >= :first AND seq <= :last ORDER BY seq LIMIT :limit;

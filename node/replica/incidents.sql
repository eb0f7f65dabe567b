-- name: add
INSERT INTO incident (code, detail, happened_at) VALUES (:code, :detail, :now);

-- name: forget
DELETE FROM incident WHERE code = :code AND position <= (
    SELECT position FROM incident WHERE code = :code ORDER BY position DESC LIMIT 1 OFFSET :kept
);

-- name: newest
SELECT code, detail, happened_at FROM (
    SELECT position, code, detail, happened_at,
        row_number() OVER (PARTITION BY code ORDER BY position DESC) AS place
    FROM incident
)
WHERE place <= :limit ORDER BY position DESC;

-- name: is_noted
SELECT 1 FROM incident WHERE code = :code AND detail = :detail LIMIT 1;

-- name: add
INSERT INTO token (digest, name, authority, created_at) VALUES (:digest, :name, :authority, :now);

-- name: all
SELECT digest, name, authority FROM token ORDER BY created_at, digest;

-- name: revoke
DELETE FROM token WHERE name = :name AND authority = :authority;

-- name: add
INSERT INTO session (digest, person, location, till, proof, created_at, expires_at)
VALUES (:digest, :person, :location, :till, :proof, :created_at, :expires_at);

-- name: all
SELECT digest, person, location, till, proof, created_at, expires_at FROM session
ORDER BY created_at, digest;

-- name: of_till
SELECT digest, person, location, till, proof, created_at, expires_at FROM session
WHERE till = :till AND till != '';

-- name: one
SELECT digest, person, location, till, proof, created_at, expires_at FROM session
WHERE digest = :digest;

-- name: end
DELETE FROM session WHERE digest = :digest;

-- name: end_of_till
DELETE FROM session WHERE till = :till AND till != '';

-- name: end_expired
DELETE FROM session WHERE expires_at <= :now;

-- name: surplus
DELETE FROM session WHERE till = '' AND person = :person AND digest NOT IN (
    SELECT digest FROM session WHERE till = '' AND person = :person
    ORDER BY created_at DESC, digest LIMIT :most
);

-- name: failures
SELECT name, failures FROM sign_in_failure;

-- name: failed
INSERT INTO sign_in_failure (name, failures) VALUES (:name, :failures)
ON CONFLICT (name) DO UPDATE SET failures = excluded.failures;

-- name: forgive
DELETE FROM sign_in_failure WHERE name = :name;

-- name: forget
DELETE FROM sign_in_failure WHERE name NOT IN (
    SELECT name FROM sign_in_failure ORDER BY failures DESC, name LIMIT :most
);

-- name: moment
SELECT at FROM latest_moment;

-- name: lived_to
INSERT INTO latest_moment (only, at) VALUES (1, :at)
ON CONFLICT (only) DO UPDATE SET at = max(at, excluded.at);

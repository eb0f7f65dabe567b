-- name: void
-- A newer code of a name ends those that were not used.
DELETE FROM enrolment_code WHERE name = :name AND used_at IS NULL;

-- name: add
INSERT INTO enrolment_code (code, secret_digest, name, role, writes, reads, replaces, standby, expires_at)
VALUES (:code, :secret_digest, :name, :role, :writes, :reads, :replaces, :standby, :expires_at);

-- name: code
SELECT enrolment_code.secret_digest, enrolment_code.name, enrolment_code.role, enrolment_code.writes,
  enrolment_code.reads, enrolment_code.replaces, enrolment_code.standby, enrolment_code.expires_at,
  enrolment_code.used_at, enrolment_code.node
FROM enrolment_code WHERE enrolment_code.code = :code;

-- name: use
-- One of two that race finds it used.
UPDATE enrolment_code SET used_at = :now_ms
WHERE code = :code AND used_at IS NULL AND expires_at > :now_ms;

-- name: own
UPDATE enrolment_code SET node = :node WHERE code = :code;

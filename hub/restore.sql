-- name: has_mark
-- The mark of a backup.
SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'backup_mark';

-- name: make_mark
-- In copies only: a database that serves has no such table.
CREATE TABLE backup_mark (
  taken_at    INTEGER NOT NULL,
  signing_key BLOB NOT NULL CHECK (length(signing_key) = 32)
) STRICT;

-- name: mark
INSERT INTO backup_mark (taken_at, signing_key) VALUES (:taken_at, :signing_key);

-- name: read_mark
SELECT backup_mark.taken_at, backup_mark.signing_key FROM backup_mark;

-- name: drop_mark
DROP TABLE backup_mark;

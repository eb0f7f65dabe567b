-- name: forget_positions_of_file
DELETE FROM backup_position
WHERE backup_position.backup IN (SELECT backup.id FROM backup WHERE backup.file = :file);

-- name: forget_file
-- A backup is always a new file: whatever had its name before is gone.
DELETE FROM backup WHERE file = :file;

-- name: add
INSERT INTO backup (file, taken_at, verified_at, hub_seq, operations)
VALUES (:file, :taken_at, :verified_at, :hub_seq, :operations) RETURNING id;

-- name: place
-- A log that is unknown here, or shorter, is of another history: it cannot be, behind the salt, and would be told as stable.
INSERT INTO backup_position (backup, replica, acked)
SELECT :backup, replica.id, min(:acked, replica.acked) FROM replica WHERE replica.replica = :replica;

-- name: forget_positions
DELETE FROM backup_position
WHERE backup_position.backup NOT IN (SELECT backup.id FROM backup ORDER BY backup.id DESC LIMIT 2);

-- name: forget
DELETE FROM backup WHERE backup.id NOT IN (SELECT backup.id FROM backup ORDER BY backup.id DESC LIMIT 100);

-- name: stable
-- Inside each of the last two: one that took longer is noted later, and may hold less than the one before it.
SELECT replica.replica, min(backup_position.acked) AS acked
FROM backup_position
JOIN replica ON replica.id = backup_position.replica
WHERE backup_position.backup IN (SELECT backup.id FROM backup ORDER BY backup.id DESC LIMIT 2)
GROUP BY replica.id HAVING count(*) = 2
ORDER BY replica.id;

-- name: newest
SELECT backup.file, backup.taken_at, backup.verified_at, backup.hub_seq, backup.operations
FROM backup ORDER BY backup.id DESC LIMIT :limit;

-- name: positions
-- Of every log: read from the copy, in one snapshot with its head.
SELECT replica.replica, replica.acked FROM replica ORDER BY replica.id;

-- name: operations
SELECT coalesce(max(ledger.position), 0) FROM ledger;

-- name: set_epoch
UPDATE meta SET value = :epoch WHERE key = 'epoch';

-- name: void_codes
-- Whether one was used after the backup, nobody knows any more.
DELETE FROM enrolment_code WHERE enrolment_code.used_at IS NULL;

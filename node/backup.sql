-- name: mark
INSERT INTO backup (only, made_at, signing_key) VALUES (1, :made_at, :signing_key);

-- name: read_mark
SELECT made_at, signing_key FROM backup WHERE only = 1;

-- name: unmark
DELETE FROM backup;

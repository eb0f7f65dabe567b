-- name: read_identity
SELECT chain, hub_url, hub_public_key, certificate, let_go_at FROM identity WHERE only = 1;

-- name: save_identity
INSERT INTO identity (only, chain, hub_url, hub_public_key, certificate, joined_at)
VALUES (1, :chain, :hub_url, :hub_public_key, :certificate, :joined_at)
ON CONFLICT (only) DO UPDATE SET
    chain = excluded.chain, hub_url = excluded.hub_url, hub_public_key = excluded.hub_public_key,
    certificate = excluded.certificate, joined_at = excluded.joined_at,
    let_go_at = NULL;

-- name: save_certificate
UPDATE identity SET certificate = :certificate WHERE only = 1;

-- name: save_let_go
UPDATE identity SET let_go_at = :at WHERE only = 1 AND let_go_at IS NOT :at;

-- name: save_predecessor
UPDATE identity SET replaces = :name, replaces_heard_at = :heard_at WHERE only = 1;

-- name: read_predecessor
SELECT replaces, replaces_heard_at FROM identity WHERE only = 1;

-- name: read_position
SELECT id, acked, stable, epoch, status_seen, clock_offset_ms, last_contact_at, last_error, last_error_at
FROM replica WHERE only = 1;

-- name: save_epoch
UPDATE replica SET epoch = :epoch, clock_offset_ms = :clock_offset_ms, last_contact_at = :now,
    last_error = NULL, last_error_at = NULL
WHERE only = 1;

-- name: save_clock_offset
UPDATE replica SET clock_offset_ms = :clock_offset_ms, last_contact_at = :now WHERE only = 1;

-- name: save_acked
UPDATE replica SET acked = :acked, stable = :stable, last_contact_at = :now WHERE only = 1;

-- name: save_contact
UPDATE replica SET last_contact_at = :now WHERE only = 1;

-- name: save_status_seen
UPDATE replica SET status_seen = max(status_seen, :seq) WHERE only = 1;

-- name: save_error
UPDATE replica SET last_error = :error, last_error_at = :now WHERE only = 1;

-- name: read_head_seen
SELECT head_seen, head_salt FROM replica WHERE only = 1;

-- name: note_head_seen
UPDATE replica SET head_seen = :head, head_salt = :salt WHERE only = 1 AND head_seen < :head;

-- name: forget_head_seen
UPDATE replica SET head_seen = 0, head_salt = zeroblob(8) WHERE only = 1;

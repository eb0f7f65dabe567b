-- name: standing
SELECT acked, stable, log_base FROM replica WHERE only = 1;

-- name: first_on_top
-- Both tables hold what the hub's rows do not include yet: at most what was recorded since the last page.
SELECT min(
    coalesce((SELECT min(seq) FROM pending_delta), :most),
    coalesce((SELECT min(seq) FROM pending_edit), :most)
);

-- name: oldest
SELECT log.seq, log.body, log.chain,
    (SELECT accepted_at FROM acknowledged WHERE upto >= log.seq ORDER BY upto LIMIT 1) AS accepted_at
FROM log WHERE log.seq <= :upto ORDER BY log.seq LIMIT :limit;

-- name: first_change_to_keep
-- Of an operation that stays in the log; else the newest of all, which nobody deletes.
SELECT coalesce(
    (SELECT n FROM change WHERE seq >= :base ORDER BY n LIMIT 1),
    (SELECT n FROM change ORDER BY n DESC LIMIT 1)
);

-- name: forget_changes
DELETE FROM change WHERE n IN (SELECT n FROM change WHERE n < :n ORDER BY n LIMIT :limit);

-- name: move_body
UPDATE movement SET body = :body, body_hash = :body_hash
WHERE op_id = :op_id AND seq = :seq AND body IS NULL;

-- name: keep_edit
INSERT INTO kept_edit (body, body_hash, accepted_at) VALUES (:body, :body_hash, :accepted_at);

-- name: cut
DELETE FROM log WHERE seq < :base;

-- name: save_base
UPDATE replica SET log_base = :base, base_chain = :chain WHERE only = 1;

-- name: forget_acknowledged
DELETE FROM acknowledged WHERE upto < :base;

-- name: oldest_unstable
-- When the oldest acknowledged operation that is in no verified backup of the hub was accepted.
SELECT accepted_at FROM acknowledged
WHERE upto > (SELECT max(stable, log_base - 1) FROM replica WHERE only = 1)
    AND upto <= (SELECT acked FROM replica WHERE only = 1)
ORDER BY upto LIMIT 1;

-- name: carry_edits
INSERT INTO carried (kept, body, accepted_at) SELECT position, body, accepted_at FROM kept_edit ORDER BY position;

-- name: carry_movements
INSERT INTO carried (position, body)
SELECT position, body FROM movement WHERE body_hash IS NOT NULL ORDER BY position;

-- name: count_carried
SELECT count(*) FROM carried;

-- name: carry_log
INSERT INTO carried (was, body, accepted_at)
SELECT log.seq, log.body, (SELECT accepted_at FROM acknowledged WHERE upto >= log.seq ORDER BY upto LIMIT 1)
FROM log ORDER BY log.seq;

-- name: empty_log
DELETE FROM log;

-- name: carried
SELECT seq, body FROM carried ORDER BY seq;

-- name: append
INSERT INTO log (seq, body, chain) VALUES (:seq, :body, :chain);

-- name: empty_acknowledged
DELETE FROM acknowledged;

-- name: carry_acknowledged
-- One line for as many in a row as were accepted at the same moment.
INSERT INTO acknowledged (upto, accepted_at)
SELECT seq, accepted_at FROM carried
WHERE accepted_at IS NOT NULL AND accepted_at IS NOT (
    SELECT accepted_at FROM carried AS following WHERE following.seq = carried.seq + 1
)
ORDER BY seq;

-- name: shift_movements
UPDATE movement SET seq = seq + :shift, replica = :replica WHERE body IS NULL;

-- name: relist_movements
UPDATE movement SET seq = carried.seq, replica = :replica, body = NULL, body_hash = NULL
FROM carried WHERE carried.position = movement.position;

-- name: forget_kept_edits
DELETE FROM kept_edit;

-- name: shift_deltas_away
-- In two steps, since the next position may be taken by the next operation on the same row.
UPDATE pending_delta SET seq = -(seq + :shift);

-- name: shift_deltas_back
UPDATE pending_delta SET seq = -seq WHERE seq < 0;

-- name: shift_edits_away
UPDATE pending_edit SET seq = -(seq + :shift);

-- name: shift_edits_back
UPDATE pending_edit SET seq = -seq WHERE seq < 0;

-- name: forget_carried
DELETE FROM carried;

-- name: shift_changes
UPDATE change SET seq = seq + :shift WHERE seq IS NOT NULL;

-- name: count_retained
SELECT (SELECT coalesce(max(seq), 0) FROM log) - log_base + 1 FROM replica WHERE only = 1;

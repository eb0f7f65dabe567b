-- name: add
INSERT INTO alert_delivery (target, id, body, next_at) VALUES (:target, :id, :body, :now)
ON CONFLICT (target, id) DO NOTHING;

-- name: count_waiting
SELECT count(*) FROM alert_delivery WHERE target = :target AND given_up_at IS NULL;

-- name: newest_too_many
SELECT position FROM alert_delivery
WHERE target = :target AND given_up_at IS NULL ORDER BY position DESC LIMIT 1 OFFSET :kept;

-- name: give_up_oldest
UPDATE alert_delivery SET given_up_at = :now, last_error = 'too many wait for this receiver'
WHERE target = :target AND given_up_at IS NULL AND position <= :upto;

-- name: due
-- In order of the index, so that it stops at the limit. What is to be tried only after the longest wait from now was
-- written while the clock was wrong.
SELECT position, id, body, attempts FROM alert_delivery
WHERE target = :target AND given_up_at IS NULL AND (next_at <= :now OR next_at > :beyond)
ORDER BY next_at LIMIT :limit;

-- name: next_at
SELECT next_at FROM alert_delivery WHERE target = :target AND given_up_at IS NULL ORDER BY next_at LIMIT 1;

-- name: done
DELETE FROM alert_delivery WHERE position = :position;

-- name: failed
UPDATE alert_delivery SET
    attempts = attempts + 1, next_at = :next_at, last_error = :error, given_up_at = :given_up_at
WHERE position = :position;

-- name: forget_given_up
DELETE FROM alert_delivery
WHERE given_up_at IS NOT NULL AND position <= (
    SELECT position FROM alert_delivery WHERE given_up_at IS NOT NULL ORDER BY position DESC LIMIT 1 OFFSET :kept
);

-- name: given_up
SELECT position, target, id, body, attempts, last_error, given_up_at FROM alert_delivery INDEXED BY alert_delivery_given_up
WHERE given_up_at IS NOT NULL AND position < :before ORDER BY position DESC LIMIT :limit;

-- name: drop_others
-- Of receivers that are no longer in the settings nothing can be tried.
UPDATE alert_delivery SET given_up_at = :now, last_error = 'this receiver is no longer in the settings'
WHERE given_up_at IS NULL AND target NOT IN (SELECT value FROM json_each(:targets));

-- name: counts
SELECT target, count(*) FILTER (WHERE given_up_at IS NULL) AS waiting, count(given_up_at) AS given_up
FROM alert_delivery GROUP BY target ORDER BY target;

-- name: last_error
SELECT last_error FROM alert_delivery WHERE target = :target AND last_error IS NOT NULL ORDER BY position DESC LIMIT 1;

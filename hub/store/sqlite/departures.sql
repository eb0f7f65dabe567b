-- name: all
-- At most DEPARTURES_MAX.
SELECT departure.node, departure.record FROM departure ORDER BY departure.node;

-- name: count
SELECT count(*) FROM departure;

-- name: reason_of
SELECT departure.reason FROM departure WHERE departure.node = :node;

-- name: record_of
SELECT departure.record FROM departure WHERE departure.node = :node;

-- name: keep
INSERT INTO departure (node, reason, record) VALUES (:node, :reason, :record)
ON CONFLICT (node) DO UPDATE SET reason = :reason, record = :record;

-- name: set_status
UPDATE node SET status = :reason, retiring_at = NULL WHERE node = :node;

-- name: end_rights
UPDATE node_right SET until = :now_ms WHERE node = :node AND until IS NULL;

-- name: fence
-- No session has this value, so whatever is under way is refused.
UPDATE replica SET session = zeroblob(16) WHERE node = :node;

-- name: begin_retiring
UPDATE node SET retiring_at = coalesce(retiring_at, :now_ms) WHERE node = :node;

-- name: replacements
-- The codes that named a node to replace and were used, with how far that node's log came.
SELECT enrolment_code.name, old.name AS replaced, enrolment_code.used_at, coalesce(replica.acked, 0) AS acked,
  old.pending, old.last_seen_at, coalesce(ledger.body, first.body) AS newest
FROM enrolment_code
JOIN node AS old ON old.name = enrolment_code.replaces
LEFT JOIN replica ON replica.id = old.replica
LEFT JOIN ledger ON ledger.replica = replica.id AND ledger.seq = replica.acked
LEFT JOIN ledger AS first ON first.position = ledger.repeats
WHERE enrolment_code.used_at IS NOT NULL AND enrolment_code.replaces IS NOT NULL
ORDER BY enrolment_code.used_at DESC, enrolment_code.name LIMIT 1000;

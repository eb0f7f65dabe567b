-- name: quarantine
SELECT ledger.position, node.name, replica.replica, ledger.seq, ledger.accepted_at, ledger.code, ledger.detail,
  ledger.body
FROM ledger
JOIN replica ON replica.id = ledger.replica
JOIN node ON node.node = replica.node
WHERE ledger.code IS NOT NULL AND ledger.position > :after
ORDER BY ledger.position LIMIT :limit;

-- name: counts
SELECT
  (SELECT coalesce(max(ledger.position), 0) FROM ledger) AS ledger,
  (SELECT count(*) FROM ledger WHERE ledger.code IS NOT NULL) AS quarantined,
  (SELECT count(*) FROM enrolment_code
   WHERE enrolment_code.used_at IS NULL AND enrolment_code.expires_at > :now_ms) AS codes_open,
  (SELECT count(*) FROM node WHERE node.status = 'active') AS nodes,
  (SELECT coalesce(sum(node.pending), 0) FROM node WHERE node.status = 'active') AS pending,
  (SELECT min(coalesce(node.last_seen_at, node.enrolled_at)) FROM node
   WHERE node.status = 'active') AS longest_unheard;

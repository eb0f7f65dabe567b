-- name: log_in_order
SELECT seq, body, chain FROM log ORDER BY seq;

-- name: shown_differs
SELECT counter.location, counter.sku, counter.lot, counter.account, counter.value,
    counter.total + coalesce(sum(pending_delta.delta), 0) AS expected
FROM counter LEFT JOIN pending_delta USING (location, sku, lot, account)
GROUP BY counter.location, counter.sku, counter.lot, counter.account
HAVING counter.value <> counter.total + coalesce(sum(pending_delta.delta), 0)
ORDER BY counter.location, counter.sku, counter.lot, counter.account LIMIT 100;

-- name: pending_without_counter
SELECT location, sku, lot, account, seq FROM pending_delta
WHERE NOT EXISTS (
    SELECT 1 FROM counter
    WHERE counter.location = pending_delta.location AND counter.sku = pending_delta.sku
        AND counter.lot = pending_delta.lot AND counter.account = pending_delta.account
)
ORDER BY location, sku, lot, account, seq LIMIT 100;

-- name: pending_of
SELECT location, sku, lot, account, delta FROM pending_delta WHERE seq = :seq
ORDER BY location, sku, lot, account;

-- name: pending_seqs
SELECT DISTINCT seq FROM pending_delta ORDER BY seq;

-- name: scopes
SELECT scope, rows, digest, hub_seq FROM scope ORDER BY scope;

-- name: sent_counters
SELECT location, sku, lot, account, total, hub_seq, tail FROM counter WHERE hub_seq > 0
ORDER BY location, sku, lot, account;

-- name: sent_documents
SELECT collection, id, fields, scopes, hub_seq, tail FROM document WHERE hub_seq > 0
ORDER BY collection, id;

-- name: listed
SELECT position, seq, kind, location, reference, occurred_at FROM movement WHERE op_id = :op_id;

-- name: listed_skus
SELECT sku, lot FROM movement_sku WHERE position = :position ORDER BY sku, lot;

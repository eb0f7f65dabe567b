-- name: ledger_size
SELECT count(*) FROM ledger;

-- name: applied_size
SELECT count(*) FROM applied;

-- name: rows
SELECT (SELECT count(*) FROM counter) + (SELECT count(*) FROM document);

-- name: replicas
-- As many as logs were ever begun.
SELECT replica.id, replica.replica, replica.acked, replica.chain FROM replica ORDER BY replica.id;

-- name: wrong_totals
SELECT counter.location, counter.sku, counter.lot, counter.account
FROM counter
LEFT JOIN entry ON entry.counter = counter.id
GROUP BY counter.id
HAVING counter.total <> coalesce(sum(entry.plus - entry.minus), 0)
ORDER BY counter.id LIMIT :limit;

-- name: scopes
SELECT scope.scope, scope.rows, scope.digest, scope.hub_seq, scope.writers,
  (SELECT count(*) FROM scope_writer WHERE scope_writer.scope = scope.scope) AS counted
FROM scope ORDER BY scope.scope;

-- name: counters_of
-- Streamed.
SELECT counter.location, counter.sku, counter.lot, counter.account, counter.hub_seq, counter.total
FROM counter WHERE counter.location = :location ORDER BY counter.hub_seq;

-- name: documents_of
-- Streamed.
SELECT document.id, document.collection, document.document_id, document.hub_seq, document.fields
FROM document_scope
JOIN document ON document.id = document_scope.document
WHERE document_scope.scope = :scope ORDER BY document.hub_seq;

-- name: stray_rows
-- Rows of a scope that has no row of its own in `scope`, so that no digest covers them.
SELECT 'stock:' || counter.location AS scope FROM counter
WHERE NOT EXISTS (SELECT 1 FROM scope WHERE scope.scope = 'stock:' || counter.location)
UNION
SELECT document_scope.scope FROM document_scope
WHERE NOT EXISTS (SELECT 1 FROM scope WHERE scope.scope = document_scope.scope)
ORDER BY 1 LIMIT :limit;

-- name: wrong_numbers
-- Every hub_seq belongs to one row and is not beyond the head.
SELECT every.hub_seq
FROM (
  SELECT counter.hub_seq FROM counter UNION ALL SELECT document.hub_seq FROM document
) AS every
GROUP BY every.hub_seq
HAVING count(*) > 1
  OR every.hub_seq > (SELECT coalesce(max(commit_salt.last_hub_seq), 0) FROM commit_salt)
ORDER BY every.hub_seq LIMIT :limit;

-- name: wrong_places
SELECT document.collection, document.document_id
FROM document_scope
JOIN document ON document.id = document_scope.document
WHERE document_scope.hub_seq <> document.hub_seq
ORDER BY document.id LIMIT :limit;

-- name: counters
SELECT counter.location, counter.sku, counter.lot, counter.account, counter.hub_seq, counter.total
FROM counter
WHERE counter.location = :location AND counter.hub_seq > :base
ORDER BY counter.hub_seq LIMIT :limit;

-- name: documents
SELECT document.id, document.collection, document.document_id, document.hub_seq, document.fields
FROM document_scope
JOIN document ON document.id = document_scope.document
WHERE document_scope.scope = :scope AND document_scope.hub_seq > :base
ORDER BY document_scope.hub_seq LIMIT :limit;

-- name: document_scopes
SELECT document_scope.scope FROM document_scope
WHERE document_scope.document = :document ORDER BY document_scope.scope;

-- name: inside
-- At most INSIDE_REPLICAS_MAX: the commit takes no further writer.
SELECT replica.replica, replica.acked
FROM scope_writer
JOIN replica ON replica.id = scope_writer.replica
WHERE scope_writer.scope = :scope ORDER BY replica.replica;

-- name: salt
-- Of any hub_seq, also in the middle of a commit.
SELECT commit_salt.salt FROM commit_salt
WHERE commit_salt.last_hub_seq >= :hub_seq ORDER BY commit_salt.last_hub_seq LIMIT 1;

-- name: scopes
-- Grows with locations, four a location at most.
SELECT scope.scope, scope.hub_seq FROM scope ORDER BY scope.scope;

-- name: digest
SELECT scope.hub_seq, scope.rows, scope.digest FROM scope WHERE scope.scope = :scope;

-- name: meta
SELECT meta.value FROM meta WHERE meta.key = :key;

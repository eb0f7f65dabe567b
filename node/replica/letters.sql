-- name: one
SELECT document.id, document.shown, document.changed FROM document
WHERE document.collection = :collection AND document.id = :id;

-- name: newest
SELECT document.id, document.shown, document.changed FROM document INDEXED BY document_by_change
WHERE document.collection = :collection AND (document.changed, document.id) < (:changed, :before)
ORDER BY document.changed DESC, document.id DESC LIMIT :limit;

-- name: all
SELECT document.shown FROM document WHERE document.collection = :collection ORDER BY document.id;

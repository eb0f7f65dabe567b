-- name: credentials
SELECT document.document_id, document.fields FROM document
WHERE document.collection = :collection ORDER BY document.document_id;

-- name: one
SELECT document.fields FROM document WHERE document.collection = :collection AND document.document_id = :id;

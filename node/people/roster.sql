-- name: changed
SELECT id, shown, changed FROM document INDEXED BY document_by_change
WHERE collection = :collection AND changed >= :since ORDER BY changed, id;

-- name: newest
SELECT coalesce(max(changed), -1) AS newest, count(*) AS held FROM document INDEXED BY document_by_change
WHERE collection = :collection;


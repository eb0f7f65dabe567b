-- name: document
SELECT shown, scopes FROM document WHERE collection = :collection AND id = :id;

-- name: documents_after
SELECT collection, id, shown, scopes FROM document
WHERE (collection, id) > (:collection, :id) ORDER BY collection, id LIMIT :limit;

-- name: edits
SELECT effects FROM pending_edit WHERE collection = :collection AND id = :id ORDER BY seq;

-- name: shelves_of_lot
SELECT location FROM counter INDEXED BY counter_by_sku
WHERE sku = :sku AND lot = :code AND account = 0 AND value <> 0;

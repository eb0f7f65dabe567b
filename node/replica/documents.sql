-- name: one
SELECT document.shown, office.shown AS office_shown
FROM document
LEFT JOIN document AS office ON office.collection = :office_part AND office.id = document.id
WHERE document.collection = :collection AND document.id = :id;

-- name: by_id
SELECT document.id, document.shown, office.shown AS office_shown, document.changed
FROM document
LEFT JOIN document AS office ON office.collection = :office_part AND office.id = document.id
WHERE document.collection = :collection AND document.id > :after
ORDER BY document.id LIMIT :limit;

-- name: by_first_code
SELECT document.id, document.shown, office.shown AS office_shown, document.changed
FROM document
LEFT JOIN document AS office ON office.collection = :office_part AND office.id = document.id
WHERE document.collection = :collection AND document.id > :after AND document.id > :first AND document.id < :beyond
ORDER BY document.id LIMIT :limit;

-- name: by_change
SELECT document.id, document.shown, office.shown AS office_shown, document.changed
FROM document INDEXED BY document_by_change
LEFT JOIN document AS office ON office.collection = :office_part AND office.id = document.id
WHERE document.collection = :collection AND (document.changed, document.id) > (:changed, :after)
ORDER BY document.changed, document.id LIMIT :limit;

-- name: states
SELECT shown, scopes FROM document WHERE collection = :collection AND id = :id;

-- name: edits
SELECT effects FROM pending_edit WHERE collection = :collection AND id = :id ORDER BY seq;

-- name: has_first_code
SELECT EXISTS (
    SELECT 1 FROM document WHERE collection = :collection AND id > :first AND id < :beyond
);

-- name: read_mark
SELECT rights, changed, id FROM looked_at WHERE collection = :collection;

-- name: save_mark
INSERT INTO looked_at (collection, rights, changed, id) VALUES (:collection, :rights, :changed, :id)
ON CONFLICT (collection) DO UPDATE SET rights = excluded.rights, changed = excluded.changed, id = excluded.id;

-- name: changed_since
-- Not beyond the newest change that was told: what is saved next could get the same number and an id before this one.
SELECT changed, id FROM document INDEXED BY document_by_change
WHERE collection = :collection AND (changed, id) > (:changed, :id)
    AND changed <= coalesce((SELECT max(n) FROM change), 0)
ORDER BY changed, id LIMIT :limit;

-- name: has_own_on_top
SELECT EXISTS (SELECT 1 FROM pending_edit WHERE collection = :collection AND id = :id);

-- name: put_off
INSERT INTO owing (collection, id, due) VALUES (:collection, :id, :due)
ON CONFLICT (collection, id) DO UPDATE SET due = excluded.due;

-- name: due
-- What is due later than anything was put off for was put off before the clock was set back.
SELECT collection, id FROM owing WHERE due <= :now OR due > :latest ORDER BY collection, id LIMIT :limit;

-- name: end
DELETE FROM owing WHERE collection = :collection AND id = :id;

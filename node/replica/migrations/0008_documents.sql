-- Lists of documents by what changed since.
ALTER TABLE document ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;

CREATE INDEX document_by_change ON document (collection, changed, id);

CREATE TRIGGER office_part_is_new AFTER INSERT ON document WHEN new.collection LIKE '%.office'
BEGIN
    UPDATE document SET changed = new.changed
    WHERE collection = replace(new.collection, '.office', '') AND id = new.id;
END;

CREATE TRIGGER office_part_changes AFTER UPDATE OF changed ON document WHEN new.collection LIKE '%.office'
BEGIN
    UPDATE document SET changed = new.changed
    WHERE collection = replace(new.collection, '.office', '') AND id = new.id;
END;

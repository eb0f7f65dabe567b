-- name: text_of
SELECT position, archived, code, name, barcodes, sort, more FROM sku_text WHERE id = :id;

-- name: save_text
-- Without RETURNING, which is a trigger to SQLite: before each such statement it would write the words of the row before.
INSERT INTO sku_text (id, archived, code, name, barcodes, sort, more)
VALUES (:id, :archived, :code, :name, :barcodes, :sort, :more)
ON CONFLICT (id) DO UPDATE SET
    archived = excluded.archived, code = excluded.code, name = excluded.name, barcodes = excluded.barcodes,
    sort = excluded.sort, more = excluded.more;

-- name: drop_text
DELETE FROM sku_text WHERE id = :id;

-- name: add_words
INSERT INTO sku_search (rowid, code, name, barcodes, sort, more)
VALUES (:position, :code, :name, :barcodes, :sort, :more);

-- name: drop_words
-- FTS5 keeps no texts here, so it is told what they were.
INSERT INTO sku_search (sku_search, rowid, code, name, barcodes, sort, more)
VALUES ('delete', :position, :code, :name, :barcodes, :sort, :more);

-- name: barcodes_of
SELECT code, confirmed FROM sku_barcode WHERE sku = :sku ORDER BY code;

-- name: save_barcode
INSERT INTO sku_barcode (code, sku, confirmed) VALUES (:code, :sku, :confirmed)
ON CONFLICT (code, sku) DO UPDATE SET confirmed = excluded.confirmed;

-- name: drop_barcode
DELETE FROM sku_barcode WHERE code = :code AND sku = :sku;

-- name: skus_with
SELECT sku FROM sku_barcode WHERE code = :code ORDER BY sku LIMIT :limit;

-- name: to_confirm
SELECT DISTINCT sku FROM sku_barcode WHERE confirmed = 0 AND sku > :after ORDER BY sku LIMIT :limit;

-- name: count
SELECT count(*) FROM (SELECT 1 FROM sku_search WHERE sku_search MATCH :words LIMIT :limit);

-- name: by_name
-- The exact code first, then what begins so.
SELECT sku_text.id FROM sku_search
CROSS JOIN sku_text ON sku_text.position = sku_search.rowid
WHERE sku_search MATCH :words AND (:archived IS NULL OR sku_text.archived = :archived)
ORDER BY sku_text.code = :code DESC,
    sku_text.position IN (SELECT rowid FROM sku_search WHERE sku_search MATCH :beginning) DESC, sku_text.name, sku_text.id
LIMIT :limit OFFSET :before;

-- name: best
-- The exact code first, whatever else has the same words. Weights: of a code, a name, barcodes, a sort, more.
SELECT sku_text.id FROM sku_search
CROSS JOIN sku_text ON sku_text.position = sku_search.rowid
WHERE sku_search MATCH :words AND (:archived IS NULL OR sku_text.archived = :archived)
ORDER BY sku_text.code = :code DESC, bm25(sku_search, 8.0, 8.0, 4.0, 2.0, 1.0), sku_text.id
LIMIT :limit OFFSET :before;

-- name: indexed_up_to
SELECT after FROM indexing WHERE only = 1;

-- name: begin_indexing
INSERT INTO indexing (only, after) VALUES (1, '') ON CONFLICT (only) DO NOTHING;

-- name: rebuild_words
INSERT INTO sku_search (sku_search) VALUES ('rebuild');

-- name: go_on_indexing
UPDATE indexing SET after = :after WHERE only = 1;

-- name: end_indexing
DELETE FROM indexing WHERE only = 1;

-- name: next_documents
SELECT id, shown FROM document WHERE collection = 'skus' AND id > :after ORDER BY id LIMIT :limit;

-- name: count_differs
-- The index over changes has every document in a few bytes.
SELECT (SELECT count(*) FROM document INDEXED BY document_by_change WHERE collection = 'skus')
    <> (SELECT count(*) FROM sku_text);

-- name: without_document
SELECT id FROM sku_text
WHERE NOT EXISTS (SELECT 1 FROM document WHERE document.collection = 'skus' AND document.id = sku_text.id)
ORDER BY id LIMIT 100;

-- name: barcodes_without_document
SELECT DISTINCT sku FROM sku_barcode
WHERE NOT EXISTS (SELECT 1 FROM document WHERE document.collection = 'skus' AND document.id = sku_barcode.sku)
ORDER BY sku LIMIT 100;

-- name: of_source
SELECT position, id, source, code, matter, location, other_location, sku, lot, collection, document, operation, facts,
    version, since, ended_at, resolved
FROM exception WHERE source = :source ORDER BY id;

-- name: one
SELECT position, id, source, code, matter, location, other_location, sku, lot, collection, document, operation, facts,
    version, since, ended_at, resolved
FROM exception WHERE id = :id;

-- name: add
INSERT INTO exception (
    position, id, source, code, matter, location, other_location, sku, lot, collection, document, operation, facts,
    version, since, resolved
)
VALUES (
    (SELECT coalesce(max(position), 0) + 1 FROM exception),
    :id, :source, :code, :matter, :location, :other_location, :sku, :lot, :collection, :document, :operation, :facts,
    :version, :now, :resolved
);

-- name: change
UPDATE exception SET
    position = CASE WHEN :stays THEN position ELSE (SELECT coalesce(max(position), 0) + 1 FROM exception) END,
    facts = :facts, version = :version, since = :since, ended_at = NULL, resolved = :resolved
WHERE id = :id;

-- name: end
UPDATE exception SET ended_at = :now WHERE id = :id AND ended_at IS NULL;

-- name: end_all
UPDATE exception SET ended_at = :now WHERE source >= :first AND source < :beyond AND ended_at IS NULL;

-- name: set_resolved
UPDATE exception SET resolved = :resolved WHERE id = :id AND resolved <> :resolved;

-- name: newest
-- Of the next few in order, however few of them are asked for.
SELECT position, id, source, code, matter, location, other_location, sku, lot, collection, document, operation, facts,
    version, since, ended_at, resolved
FROM (SELECT * FROM exception WHERE position < :before ORDER BY position DESC LIMIT :examined)
WHERE (:code IS NULL OR code = :code)
    AND (:location IS NULL OR location = :location OR other_location = :location)
    AND (:sku IS NULL OR sku = :sku)
    AND (
        :state IS NULL
        OR :state = CASE WHEN ended_at IS NOT NULL THEN 'mended' WHEN resolved THEN 'resolved' ELSE 'open' END
    )
ORDER BY position DESC LIMIT :limit;

-- name: newest_open
SELECT position, id, source, code, matter, location, other_location, sku, lot, collection, document, operation, facts,
    version, since, ended_at, resolved
FROM (
    SELECT * FROM exception INDEXED BY exception_open
    WHERE ended_at IS NULL AND resolved = 0 AND position < :before ORDER BY position DESC LIMIT :examined
)
WHERE (:code IS NULL OR code = :code)
    AND (:location IS NULL OR location = :location OR other_location = :location)
    AND (:sku IS NULL OR sku = :sku)
ORDER BY position DESC LIMIT :limit;

-- name: examined
-- Where the next few end; NULL where they are the last.
SELECT position FROM exception WHERE position < :before ORDER BY position DESC LIMIT 1 OFFSET :examined - 1;

-- name: examined_open
SELECT position FROM exception INDEXED BY exception_open
WHERE ended_at IS NULL AND resolved = 0 AND position < :before ORDER BY position DESC LIMIT 1 OFFSET :examined - 1;

-- name: forget_ended
DELETE FROM exception WHERE position IN (
    SELECT position FROM exception INDEXED BY exception_ended
    WHERE ended_at IS NOT NULL AND ended_at < :before ORDER BY ended_at LIMIT :limit
);

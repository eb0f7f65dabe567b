-- name: note_operation
INSERT INTO change (seq) VALUES (?);

-- name: note_keys
INSERT INTO change (keys) VALUES (:keys);

-- name: bounds
SELECT (SELECT n FROM change ORDER BY n LIMIT 1) AS first, (SELECT n FROM change ORDER BY n DESC LIMIT 1) AS last;

-- name: after
SELECT n, seq, keys FROM change WHERE n > :n ORDER BY n LIMIT :limit;

-- name: newest_to_forget
-- What a change weighs is its keys and about what a line costs besides.
SELECT n FROM (
    SELECT n,
        row_number() OVER newest_first AS place,
        sum(16 + coalesce(length(keys), 0)) OVER newest_first AS bytes
    FROM change WINDOW newest_first AS (ORDER BY n DESC)
)
WHERE place > 1 AND (place > :count OR bytes > :bytes)
ORDER BY n DESC LIMIT 1;

-- name: forget
DELETE FROM change WHERE n IN (SELECT n FROM change WHERE n <= :upto ORDER BY n LIMIT :limit);

-- name: take
-- At the end of the counts the last one stays: the rest of a number tells its documents apart.
INSERT INTO numbering (location, last) VALUES (:location, 1)
ON CONFLICT (location) DO UPDATE SET last = min(last + 1, :most)
RETURNING last;

-- name: raise
INSERT INTO numbering (location, last) VALUES (:location, :count)
ON CONFLICT (location) DO UPDATE SET last = excluded.last WHERE excluded.last > last;

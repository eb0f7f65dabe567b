-- name: all
-- At most DEPARTURES_MAX, usually a handful.
SELECT departure.node, departure.record FROM departure ORDER BY departure.node;

-- name: force_reset
INSERT INTO forced_reset (place, at, mark) VALUES (:place, :at, :mark)
ON CONFLICT (place) DO UPDATE SET at = excluded.at, mark = excluded.mark
WHERE (excluded.at, excluded.mark) > (at, mark);

-- name: forced_resets
-- As many as there are locations at most.
SELECT place, at, mark FROM forced_reset;

-- name: forced_reset_at
SELECT mark FROM forced_reset WHERE place IN (:place, :everywhere) ORDER BY at DESC, mark DESC LIMIT 1;

-- name: keep
INSERT INTO departure (node, record) VALUES (:node, :record)
ON CONFLICT (node) DO UPDATE SET record = :record;

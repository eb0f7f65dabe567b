-- name: all
-- At most DEPARTURES_MAX, usually a handful.
SELECT departure.node, departure.record FROM departure ORDER BY departure.node;

-- name: keep
INSERT INTO departure (node, record) VALUES (:node, :record)
ON CONFLICT (node) DO UPDATE SET record = :record;

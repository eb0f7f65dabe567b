-- name: inside
SELECT inside FROM scope WHERE scope = :scope;

-- name: note_count
INSERT INTO count_taken (location, sku, lot, stocktake, round, counted_at, inside)
VALUES (:location, :sku, :lot, :stocktake, :round, :counted_at, :inside)
ON CONFLICT (location, sku, lot, stocktake, round) DO UPDATE SET
    counted_at = excluded.counted_at, inside = excluded.inside;

-- name: forget_missing
DELETE FROM late_movement WHERE stocktake = :stocktake AND sku = :sku AND lot = :lot AND round = :round;

-- name: forget_counts
DELETE FROM count_taken WHERE counted_at < :before;

-- name: counted_since
SELECT stocktake, round, inside FROM count_taken
WHERE location = :location AND sku = :sku AND lot = :lot AND counted_at >= :occurred
ORDER BY stocktake, round;

-- name: add
INSERT INTO late_movement (stocktake, sku, lot, round, op_id, delta)
VALUES (:stocktake, :sku, :lot, :round, :op_id, :delta)
ON CONFLICT (stocktake, sku, lot, round, op_id) DO UPDATE SET delta = late_movement.delta + excluded.delta;

-- name: stocktakes
SELECT DISTINCT stocktake FROM late_movement WHERE stocktake > :after ORDER BY stocktake LIMIT :limit;

-- name: missing
SELECT sku, lot, round, op_id, delta FROM late_movement WHERE stocktake = :stocktake
ORDER BY sku, lot, round, op_id LIMIT :limit;

-- name: forget
DELETE FROM late_movement
WHERE stocktake = :stocktake AND sku = :sku AND lot = :lot AND round = :round AND op_id = :op_id;

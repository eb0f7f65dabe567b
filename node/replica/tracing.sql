-- name: holders
-- Every location where the lot was ever counted, also where nothing is left of it: its customers may have some.
SELECT location,
    sum(CASE WHEN account = 0 THEN value ELSE 0 END) AS on_hand,
    sum(CASE WHEN account = 1 THEN value ELSE 0 END) AS reserved,
    sum(CASE WHEN account = 2 THEN value ELSE 0 END) AS in_transit
FROM counter INDEXED BY counter_by_sku
WHERE sku = :sku AND lot = :lot
GROUP BY location ORDER BY location LIMIT :limit;

-- name: taken
-- What customers got of it, newest first. A movement that was taken back is told, with what took it back.
SELECT movement.position, movement.replica, movement.seq, coalesce(movement.body, log.body) AS body, (
    SELECT taken_back.op_id FROM movement AS taken_back
    WHERE taken_back.reverses = movement.op_id ORDER BY taken_back.position LIMIT 1
) AS reversed_by
FROM (
    SELECT position FROM movement_sku WHERE sku = :sku AND position < :before AND lot = :lot
) AS named
JOIN movement ON movement.position = named.position AND movement.kind IN ('move.sale', 'move.dispense')
LEFT JOIN log ON log.seq = movement.seq AND movement.body IS NULL
ORDER BY movement.position DESC LIMIT :limit;

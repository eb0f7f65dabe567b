-- name: newest_position
SELECT coalesce(max(position), 0) AS position FROM movement;

-- name: oldest
SELECT movement.position, movement.replica, movement.seq, coalesce(movement.body, log.body) AS body
FROM movement LEFT JOIN log ON log.seq = movement.seq AND movement.body IS NULL
WHERE movement.position > :after AND movement.position <= :last
    AND (:location IS NULL OR movement.location = :location)
    AND (:since IS NULL OR movement.occurred_at >= :since)
    AND (:until IS NULL OR movement.occurred_at < :until)
ORDER BY movement.position LIMIT :limit;

-- name: oldest_of_sku
SELECT movement.position, movement.replica, movement.seq, coalesce(movement.body, log.body) AS body
FROM (
    SELECT DISTINCT position FROM movement_sku
    WHERE sku = :sku AND position > :after AND position <= :last
) AS named
JOIN movement ON movement.position = named.position
LEFT JOIN log ON log.seq = movement.seq AND movement.body IS NULL
WHERE (:location IS NULL OR movement.location = :location)
    AND (:since IS NULL OR movement.occurred_at >= :since)
    AND (:until IS NULL OR movement.occurred_at < :until)
ORDER BY movement.position LIMIT :limit;

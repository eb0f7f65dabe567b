-- name: used
SELECT coalesce(movement.body, log.body) AS body
FROM movement INDEXED BY movement_by_location
LEFT JOIN log ON log.seq = movement.seq AND movement.body IS NULL
WHERE movement.location = :location AND movement.kind IN ('move.sale', 'move.dispense', 'move.customer_return')
    AND movement.occurred_at >= :since
ORDER BY movement.position DESC LIMIT :limit;

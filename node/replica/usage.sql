-- name: used
SELECT movement.position, movement.replica, movement.seq, taken_back.kind AS taken_back,
    coalesce(movement.body, log.body) AS body
FROM movement INDEXED BY movement_by_location
LEFT JOIN log ON log.seq = movement.seq AND movement.body IS NULL
LEFT JOIN movement AS taken_back ON taken_back.op_id = movement.reverses
WHERE movement.location = :location
    AND movement.kind IN ('move.sale', 'move.dispense', 'move.customer_return', 'move.reversal')
    AND movement.occurred_at >= :since
    AND NOT EXISTS (
        SELECT 1 FROM quarantined JOIN replica ON replica.only = 1
        WHERE quarantined.seq = movement.seq AND replica.id = movement.replica
    )
ORDER BY movement.position DESC LIMIT :limit;

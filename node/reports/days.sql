-- name: of_day
-- By when it happened; the index has that order.
SELECT movement.position, movement.replica, movement.seq, taken_back.kind AS taken_back,
    coalesce(movement.body, log.body) AS body
FROM movement INDEXED BY movement_by_day
LEFT JOIN log ON log.seq = movement.seq AND movement.body IS NULL
LEFT JOIN movement AS taken_back ON taken_back.op_id = movement.reverses
WHERE movement.location = :location AND movement.occurred_at >= :begins AND movement.occurred_at < :ends
ORDER BY movement.occurred_at, movement.position LIMIT :limit;

-- name: set_aside
SELECT seq, code, detail FROM quarantined WHERE seq BETWEEN :first AND :last;

-- name: recorded_before
-- Which of some references were recorded at a location before an instant.
SELECT DISTINCT reference FROM movement INDEXED BY movement_by_reference
WHERE reference IN (SELECT value FROM json_each(:texts)) AND location = :location AND occurred_at < :before;

-- name: newest_before
SELECT occurred_at FROM movement INDEXED BY movement_by_day
WHERE location = :location AND occurred_at < :before
    AND kind NOT IN ('move.reserve', 'move.release', 'move.reconcile')
ORDER BY occurred_at DESC LIMIT 1;

-- name: count_of_day
-- What is own, and beyond what the hub has acknowledged, is unsent.
SELECT count(*) AS movements,
    coalesce(sum(movement.kind IN ('move.sale', 'move.dispense')), 0) AS sales,
    coalesce(sum(movement.kind = 'move.customer_return'), 0) AS "returns",
    coalesce(sum(movement.kind = 'move.reversal'), 0) AS reversals,
    coalesce(sum(movement.kind = 'move.waste'), 0) AS waste,
    coalesce(sum(movement.replica = replica.id AND movement.seq > replica.acked), 0) AS unsent
FROM movement INDEXED BY movement_by_day
JOIN replica ON replica.only = 1
WHERE movement.location = :location AND movement.occurred_at >= :begins AND movement.occurred_at < :ends
    AND movement.kind NOT IN ('move.reserve', 'move.release', 'move.reconcile');

-- name: newest_head
SELECT seq, record FROM signed_head WHERE signer = :signer AND replica = :replica ORDER BY seq DESC LIMIT 1;

-- name: keep_head
INSERT INTO signed_head (signer, replica, seq, record) VALUES (:signer, :replica, :seq, :record)
ON CONFLICT (signer, replica, seq) DO NOTHING;

-- name: forget_heads
DELETE FROM signed_head WHERE signer = :signer AND replica = :replica AND seq < (
    SELECT seq FROM signed_head WHERE signer = :signer AND replica = :replica
    ORDER BY seq DESC LIMIT 1 OFFSET :beyond
);

-- name: heads
SELECT signer, seq, record FROM signed_head WHERE replica = :replica ORDER BY seq, signer;

-- name: receipt_within
-- The newest of these positions.
SELECT record FROM signed_head
WHERE signer = 'hub' AND replica = :replica AND seq >= :first AND seq <= :last ORDER BY seq DESC LIMIT 1;

-- name: newest_checkpoint
SELECT record FROM hub_checkpoint ORDER BY position DESC LIMIT 1;

-- name: checkpoint
SELECT record FROM hub_checkpoint WHERE epoch = :epoch AND number = :number;

-- name: before
SELECT record FROM hub_checkpoint WHERE epoch = :epoch AND number < :number ORDER BY number DESC LIMIT 1;

-- name: after
SELECT record FROM hub_checkpoint WHERE epoch = :epoch AND number > :number ORDER BY number LIMIT 1;

-- name: add_checkpoint
INSERT INTO hub_checkpoint (epoch, number, record) VALUES (:epoch, :number, :record);

-- name: forget_checkpoints
DELETE FROM hub_checkpoint WHERE position <= (SELECT max(position) FROM hub_checkpoint) - :kept;

-- name: checkpoints
SELECT epoch, number, record FROM hub_checkpoint ORDER BY epoch, number;

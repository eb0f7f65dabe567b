-- name: counters
-- Of each key asked for that exists: its index, the counter, and what this replica has added to it so far.
-- The join goes from the keys to the counters: one look into an index for each, however large the tables are.
SELECT asked.key, counter.id, counter.total, counter.hub_seq,
  coalesce(entry.plus, 0) AS plus, coalesce(entry.minus, 0) AS minus
FROM json_each(:keys) AS asked
CROSS JOIN counter ON counter.location = asked.value ->> 0 AND counter.sku = asked.value ->> 1
  AND counter.lot = asked.value ->> 2 AND counter.account = asked.value ->> 3
LEFT JOIN entry ON entry.counter = counter.id AND entry.replica = :replica;

-- name: last_counter
SELECT coalesce(max(counter.id), 0) FROM counter;

-- name: add_counter
INSERT INTO counter (id, location, sku, lot, account, total, hub_seq)
VALUES (:id, :location, :sku, :lot, :account, :total, :hub_seq);

-- name: set_counter
UPDATE counter SET total = :total, hub_seq = :hub_seq WHERE id = :id;

-- name: set_entry
INSERT INTO entry (counter, replica, seq, plus, minus)
VALUES (:counter, :replica, :seq, :plus, :minus)
ON CONFLICT (counter, replica) DO UPDATE
SET seq = excluded.seq, plus = excluded.plus, minus = excluded.minus;

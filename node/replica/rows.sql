-- name: held_counters
-- Of each of these rows whose counter the hub has sent before: what it said. One look into the key for each, however many
-- are held.
SELECT counter.location, counter.sku, counter.lot, counter.account, counter.total, counter.hub_seq, counter.tail
FROM json_each(:rows) AS asked
CROSS JOIN counter ON counter.location = asked.value ->> 0 AND counter.sku = asked.value ->> 1
    AND counter.lot = asked.value ->> 2 AND counter.account = asked.value ->> 3
WHERE counter.hub_seq > 0
ORDER BY asked.key;

-- name: location_has_deltas
SELECT EXISTS (SELECT 1 FROM pending_delta WHERE location = :location);

-- name: forget_deltas_inside
DELETE FROM pending_delta WHERE (location, sku, lot, account, seq) IN (
    SELECT inside.location, inside.sku, inside.lot, inside.account, inside.seq
    FROM json_each(:rows) AS sent
    CROSS JOIN pending_delta AS inside ON inside.location = sent.value ->> 0 AND inside.sku = sent.value ->> 1
        AND inside.lot = sent.value ->> 2 AND inside.account = sent.value ->> 3 AND inside.seq <= :own
);

-- name: save_counters
-- Of a location on whose rows nothing is on top: what is shown is the hub's total. WHERE TRUE keeps ON from being read as
-- part of the FROM.
INSERT INTO counter (location, sku, lot, account, value, total, hub_seq, own, tail)
SELECT sent.value ->> 0, sent.value ->> 1, sent.value ->> 2, sent.value ->> 3, sent.value ->> 5, sent.value ->> 5,
    sent.value ->> 4, :own, NULL
FROM json_each(:rows) AS sent WHERE TRUE
ON CONFLICT (location, sku, lot, account) DO UPDATE SET
    value = excluded.value, total = excluded.total, hub_seq = excluded.hub_seq, own = excluded.own,
    tail = excluded.tail;

-- name: save_counters_below_deltas
-- What is shown is the hub's total and what is still on top of it: protocol.merge.counter_view.
INSERT INTO counter (location, sku, lot, account, value, total, hub_seq, own, tail)
SELECT sent.value ->> 0, sent.value ->> 1, sent.value ->> 2, sent.value ->> 3,
    (sent.value ->> 5) + (
        SELECT coalesce(sum(own_delta.delta), 0) FROM pending_delta AS own_delta
        WHERE own_delta.location = sent.value ->> 0 AND own_delta.sku = sent.value ->> 1
            AND own_delta.lot = sent.value ->> 2 AND own_delta.account = sent.value ->> 3
    ),
    sent.value ->> 5, sent.value ->> 4, :own, NULL
FROM json_each(:rows) AS sent WHERE TRUE
ON CONFLICT (location, sku, lot, account) DO UPDATE SET
    value = excluded.value, total = excluded.total, hub_seq = excluded.hub_seq, own = excluded.own,
    tail = excluded.tail;

-- name: save_tail
UPDATE counter SET tail = :tail
WHERE location = :location AND sku = :sku AND lot = :lot AND account = :account;

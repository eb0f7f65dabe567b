-- What a node of the first version would have stored, taken from a database of this version, attached as `new`.

-- name: identity
INSERT INTO main.identity (only, chain, hub_url, hub_public_key, certificate, joined_at)
SELECT only, chain, hub_url, hub_public_key, certificate, joined_at FROM new.identity;

-- name: replica
INSERT INTO main.replica (only, id, acked, stable, epoch, status_seen)
SELECT only, id, acked, stable, epoch, status_seen FROM new.replica;

-- name: log
INSERT INTO main.log (seq, body, chain) SELECT seq, body, chain FROM new.log;

-- name: counter
INSERT INTO main.counter (location, sku, lot, account, value, total, hub_seq, own, tail)
SELECT location, sku, lot, account, value, total, hub_seq, own, tail FROM new.counter;

-- name: pending_delta
INSERT INTO main.pending_delta (location, sku, lot, account, seq, delta)
SELECT location, sku, lot, account, seq, delta FROM new.pending_delta;

-- name: movement
INSERT INTO main.movement (position, op_id, replica, seq, kind, location, reference, occurred_at, reverses, body)
SELECT position, op_id, replica, seq, kind, location, reference, occurred_at, reverses, body FROM new.movement;

-- name: movement_sku
INSERT INTO main.movement_sku (sku, position, lot) SELECT sku, position, lot FROM new.movement_sku;

-- name: token
INSERT INTO main.token (digest, name, authority, created_at)
SELECT digest, name, authority, created_at FROM new.token;

-- name: answer
-- Each second one older than an answer is kept.
INSERT INTO main.answer (position, client, route, key, request, status, body, answered_at)
SELECT position, client, route, key, request, status, body, answered_at - :old * (position % 2) FROM new.answer;

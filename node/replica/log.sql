-- name: head
SELECT seq, chain FROM log ORDER BY seq DESC LIMIT 1;

-- name: base
SELECT log_base, base_chain FROM replica WHERE only = 1;

-- name: append
INSERT INTO log (seq, body, chain) VALUES (:seq, :body, :chain);

-- name: chain_at
SELECT chain FROM log WHERE seq = :seq;

-- name: body_at
SELECT body FROM log WHERE seq = :seq;

-- name: after
SELECT log.seq, log.body,
    (SELECT accepted_at FROM acknowledged WHERE upto >= log.seq ORDER BY upto LIMIT 1) AS accepted_at
FROM log WHERE log.seq > :seq ORDER BY log.seq LIMIT :limit;

-- name: acknowledge
-- The first acknowledgement is the one that counts: a later one of a re-push must not come in between.
INSERT INTO acknowledged (upto, accepted_at)
SELECT :upto, :accepted_at WHERE NOT EXISTS (SELECT 1 FROM acknowledged WHERE upto >= :upto);

-- name: quarantine
INSERT INTO quarantined (seq, code, detail, reported_at) VALUES (:seq, :code, :detail, :now)
ON CONFLICT (seq) DO NOTHING;

-- name: count_quarantined
SELECT count(*) FROM quarantined;

-- name: first_after
SELECT body FROM log WHERE seq > :seq ORDER BY seq LIMIT 1;

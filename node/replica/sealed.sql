-- name: own_keys
-- Newest first: one, or a few while a change of keys is under way.
SELECT own_sealing_key.public, own_sealing_key.wrapped FROM own_sealing_key ORDER BY own_sealing_key.made DESC;

-- name: add_own_key
INSERT INTO own_sealing_key (public, wrapped) VALUES (:public, :wrapped);

-- name: forget_own_keys_before
DELETE FROM own_sealing_key
WHERE made < (SELECT kept.made FROM own_sealing_key AS kept WHERE kept.public = :public);

-- name: standing
-- What is held of a sealed part; before it, that the record's keys are destroyed, which names none.
SELECT record_key.key FROM record_key
WHERE record_key.op_id = :op_id AND record_key.box IN (x'', :box)
ORDER BY record_key.box;

-- name: destroy
-- All keys of a record, but not that they are destroyed.
DELETE FROM record_key WHERE op_id = :op_id AND box <> x'';

-- name: elsewhere
SELECT 1 FROM record_key WHERE record_key.op_id = :op_id AND record_key.location <> :location;

-- name: keep
INSERT INTO record_key (op_id, box, location, key, readers, untold)
VALUES (:op_id, :box, :location, :key, :readers, :untold)
ON CONFLICT (op_id, box) DO UPDATE SET key = excluded.key, readers = excluded.readers, untold = excluded.untold;

-- name: untell
UPDATE record_key SET untold = 1 WHERE op_id = :op_id AND box IN (x'', :box);

-- name: untell_all
UPDATE record_key SET untold = 1;

-- name: locations_untold
SELECT DISTINCT record_key.location FROM record_key WHERE record_key.untold = 1 ORDER BY record_key.location;

-- name: untold
-- Streamed.
SELECT record_key.key FROM record_key
WHERE record_key.location = :location AND record_key.untold = 1
ORDER BY record_key.op_id, record_key.box;

-- name: told
UPDATE record_key SET untold = 0 WHERE op_id = :op_id AND box = :box AND key = :key;

-- name: locations
SELECT DISTINCT record_key.location FROM record_key ORDER BY record_key.location;

-- name: other_readers
-- Those wrapped for others than they should be: below and above in the index, in two ranges.
SELECT record_key.key FROM record_key
WHERE record_key.location = :location AND record_key.readers > x'' AND record_key.readers <> :readers
    AND (record_key.op_id, record_key.box) > (:op_id, :box)
ORDER BY record_key.op_id, record_key.box LIMIT :limit;

-- name: place
SELECT sealed_place.epoch, sealed_place.upto, sealed_place.sealers FROM sealed_place
WHERE sealed_place.location = :location;

-- name: save_place
INSERT INTO sealed_place (location, epoch, upto, sealers) VALUES (:location, :epoch, :upto, :sealers)
ON CONFLICT (location) DO UPDATE SET epoch = excluded.epoch, upto = excluded.upto, sealers = excluded.sealers;

-- name: epochs
SELECT DISTINCT sealed_place.epoch FROM sealed_place WHERE sealed_place.epoch <> x'';

-- name: places
SELECT sealed_place.location FROM sealed_place ORDER BY sealed_place.location;

-- name: all
SELECT record_key.op_id, record_key.box, record_key.key FROM record_key ORDER BY record_key.op_id, record_key.box;

-- What the hub did of its own accord or was told to by its operator: it authors no operation, so this is no part of the ledger.
CREATE TABLE note (
  position INTEGER PRIMARY KEY,   -- from 1, without gaps
  body     BLOB NOT NULL,         -- msgpack [form, time, actor, [action, details]]; see protocol.notes
  chain    BLOB NOT NULL CHECK (length(chain) = 32) -- hash of all notes up to this one, as a log's
) STRICT;

CREATE TRIGGER note_is_append_only_1 BEFORE UPDATE ON note BEGIN
  SELECT RAISE(ABORT, 'notes are append-only');
END;
CREATE TRIGGER note_is_append_only_2 BEFORE DELETE ON note BEGIN
  SELECT RAISE(ABORT, 'notes are append-only');
END;

-- How things stood, signed: nodes keep copies, so this hub cannot tell another history later.
CREATE TABLE checkpoint (
  number  INTEGER PRIMARY KEY,    -- from 1, without gaps
  epoch   BLOB NOT NULL CHECK (length(epoch) = 16),
  made_at INTEGER NOT NULL,
  operations INTEGER NOT NULL,    -- in the ledger then
  notes   INTEGER NOT NULL,       -- then
  record  BLOB NOT NULL           -- see protocol.checkpoint
) STRICT;

CREATE TRIGGER checkpoint_is_append_only_1 BEFORE UPDATE ON checkpoint BEGIN
  SELECT RAISE(ABORT, 'checkpoints are append-only');
END;
CREATE TRIGGER checkpoint_is_append_only_2 BEFORE DELETE ON checkpoint BEGIN
  SELECT RAISE(ABORT, 'checkpoints are append-only');
END;

-- The longest head of each log that its node has signed.
CREATE TABLE signed_head (
  replica INTEGER PRIMARY KEY REFERENCES replica (id),
  seq     INTEGER NOT NULL,
  record  BLOB NOT NULL           -- see protocol.checkpoint
) STRICT;

CREATE TRIGGER signed_head_only_grows_1 BEFORE UPDATE ON signed_head WHEN new.seq < old.seq BEGIN
  SELECT RAISE(ABORT, 'a signed head is kept');
END;
CREATE TRIGGER signed_head_only_grows_2 BEFORE DELETE ON signed_head BEGIN
  SELECT RAISE(ABORT, 'a signed head is kept');
END;

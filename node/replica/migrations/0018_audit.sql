-- How many notes there were within this hour of what anybody can bring about, such as a refused sign-in.
CREATE TABLE note_tally (
    action TEXT PRIMARY KEY,
    hour INTEGER NOT NULL,              -- whole hours since 1970
    counted INTEGER NOT NULL            -- noted and left out
) STRICT, WITHOUT ROWID;

-- The whole of a log while it gets new positions, within one transaction: what was cut off in front, then what was held.
CREATE TABLE carried (
    seq INTEGER PRIMARY KEY,            -- in the log that is made
    was INTEGER UNIQUE,                 -- in the log that was; NULL: it had left it
    kept INTEGER UNIQUE,                -- among the edits kept; NULL: it was none of them
    position INTEGER UNIQUE,            -- in the list of movements, which had its bytes; NULL: it had not
    body BLOB NOT NULL,
    accepted_at INTEGER
) STRICT;

-- What is recorded is never lost: an operation leaves the log at its beginning alone, and only while its very bytes are held
-- elsewhere. 50 is retention.PIECE_OPERATIONS: what a piece cut off was kept by that piece. The id stands behind the head of
-- an array of ten or more parts and that of 16 bytes.
CREATE TRIGGER log_is_only_cut_off BEFORE DELETE ON log
WHEN NOT EXISTS (SELECT 1 FROM carried WHERE was = old.seq AND body = old.body) AND (
    old.seq >= (SELECT log_base FROM replica WHERE only = 1)
    OR NOT EXISTS (
        SELECT 1 FROM movement
        WHERE op_id = substr(old.body, CASE substr(old.body, 1, 1) WHEN x'dc' THEN 6 ELSE 4 END, 16)
            AND body = old.body
    ) AND NOT EXISTS (
        SELECT 1 FROM (SELECT body FROM kept_edit ORDER BY position DESC LIMIT 50) AS newest
        WHERE newest.body = old.body
    )
)
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

CREATE TRIGGER kept_edit_is_never_changed BEFORE UPDATE ON kept_edit
BEGIN SELECT RAISE(ABORT, 'what was recorded is kept'); END;

CREATE TRIGGER kept_edit_is_only_carried BEFORE DELETE ON kept_edit
WHEN NOT EXISTS (SELECT 1 FROM carried WHERE kept = old.position AND body = old.body)
BEGIN SELECT RAISE(ABORT, 'what was recorded is kept'); END;

-- A movement of this node's own, whose bytes the log has or had.
CREATE TRIGGER own_movement_is_only_carried BEFORE UPDATE OF body, body_hash ON movement
WHEN old.body_hash IS NOT NULL AND (new.body IS NOT old.body OR new.body_hash IS NOT old.body_hash)
    AND NOT EXISTS (SELECT 1 FROM carried WHERE position = old.position AND body = old.body)
BEGIN SELECT RAISE(ABORT, 'what was recorded is kept'); END;

CREATE TRIGGER own_movement_is_kept BEFORE DELETE ON movement WHEN old.body IS NULL OR old.body_hash IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'what was recorded is kept'); END;

CREATE TRIGGER carried_is_in_the_log BEFORE DELETE ON carried
WHEN NOT EXISTS (SELECT 1 FROM log WHERE seq = old.seq AND body = old.body)
BEGIN SELECT RAISE(ABORT, 'what was recorded is kept'); END;

-- What was signed about this log: by this node, the newest, and by the hub, its receipts. See protocol.checkpoint.
CREATE TABLE signed_head (
    signer TEXT NOT NULL CHECK (signer IN ('node', 'hub')),
    replica BLOB NOT NULL,
    seq INTEGER NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (signer, replica, seq)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER signed_head_is_never_changed BEFORE UPDATE ON signed_head
BEGIN SELECT RAISE(ABORT, 'what was signed is kept'); END;

CREATE TRIGGER newest_signed_head_is_kept BEFORE DELETE ON signed_head
WHEN NOT EXISTS (
    SELECT 1 FROM signed_head AS newer
    WHERE newer.signer = old.signer AND newer.replica = old.replica AND newer.seq > old.seq
)
BEGIN SELECT RAISE(ABORT, 'what was signed is kept'); END;

-- What the hub signed about its whole history, in the order in which it came.
CREATE TABLE hub_checkpoint (
    position INTEGER PRIMARY KEY,
    epoch BLOB NOT NULL,
    number INTEGER NOT NULL,
    record BLOB NOT NULL,
    UNIQUE (epoch, number)
) STRICT;

CREATE TRIGGER hub_checkpoint_is_never_changed BEFORE UPDATE ON hub_checkpoint
BEGIN SELECT RAISE(ABORT, 'what was signed is kept'); END;

-- 5,000 is checkpoints.KEPT: about five weeks of a hub whose history changes all the time.
CREATE TRIGGER newest_hub_checkpoint_is_kept BEFORE DELETE ON hub_checkpoint
WHEN old.position > (SELECT max(position) FROM hub_checkpoint) - 5000
BEGIN SELECT RAISE(ABORT, 'what was signed is kept'); END;

-- What the audit shows of movements beside the log: no row of it is written by a sale.
CREATE INDEX movement_with_bytes ON movement (position) WHERE body IS NOT NULL;

-- The node's database. Times are UTC milliseconds, quantities whole base units, ids raw bytes.

CREATE TABLE identity (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    chain BLOB NOT NULL,
    hub_url TEXT NOT NULL,
    hub_public_key BLOB NOT NULL,
    certificate BLOB NOT NULL,          -- as the hub signed it; rights are read from it alone
    joined_at INTEGER NOT NULL,
    replaces TEXT,                      -- the node whose work this one took over; NULL: none
    replaces_heard_at INTEGER,          -- when the hub had last taken operations in of that one; NULL: never, or not told
    let_go_at INTEGER                   -- when the hub last told this node that it was retired; NULL once it lets it in
) STRICT;

-- Where this replica and its reading of the hub stand. One row.
CREATE TABLE replica (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id BLOB NOT NULL,
    acked INTEGER NOT NULL DEFAULT 0,   -- the hub has everything up to here
    stable INTEGER NOT NULL DEFAULT 0,  -- … and inside a verified backup
    epoch BLOB,                         -- of the hub; NULL before the first session
    status_seen INTEGER NOT NULL DEFAULT 0,
    clock_offset_ms INTEGER,            -- hub's clock minus ours, when last measured
    last_contact_at INTEGER,
    last_error TEXT,
    last_error_at INTEGER,
    log_base INTEGER NOT NULL DEFAULT 1, -- position of the oldest operation in the log; see retention.py
    base_chain BLOB,                    -- hash of the log up to and without it; NULL while the log is whole
    head_seen INTEGER NOT NULL DEFAULT 0, -- newest state of the hub in which anything held here was read; see identity.py
    head_salt BLOB NOT NULL DEFAULT x'0000000000000000' -- … and its salt
) STRICT;

-- The log. Its positions have no gaps; it is never changed, only appended to, and cut off at its beginning.
CREATE TABLE log (
    seq INTEGER PRIMARY KEY,
    body BLOB NOT NULL,                 -- the operation's bytes, as hashed and sent
    chain BLOB NOT NULL                 -- hash of the log up to and including this operation
) STRICT;

CREATE TRIGGER log_is_never_changed BEFORE UPDATE ON log
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

-- The hub's clock at each acknowledgement: an operation's accepted_at is that of the smallest upto >= seq.
-- A column in the log would rewrite every operation once more.
CREATE TABLE acknowledged (
    upto INTEGER PRIMARY KEY,
    accepted_at INTEGER NOT NULL
) STRICT;

-- Edits whose positions were cut off: they are kept for ever, and sent again should the log continue under a new replica.
CREATE TABLE kept_edit (
    position INTEGER PRIMARY KEY,       -- oldest first
    body BLOB NOT NULL,
    body_hash BLOB NOT NULL,            -- 16 bytes, since the chain covers it no longer
    accepted_at INTEGER                 -- the hub's clock when it was acknowledged
) STRICT;

-- In a backup one row, which says that this file is a copy; empty in the database of a node. See node/backup.py.
CREATE TABLE backup (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    made_at INTEGER NOT NULL,
    signing_key BLOB NOT NULL
) STRICT;

-- Own operations that are in the hub's ledger without effect.
CREATE TABLE quarantined (
    seq INTEGER PRIMARY KEY,
    code TEXT NOT NULL,
    detail TEXT NOT NULL,
    reported_at INTEGER NOT NULL
) STRICT;

-- Counters as the hub last sent them, and the view: total plus the own deltas it does not include yet.
CREATE TABLE counter (
    location TEXT NOT NULL,
    sku TEXT NOT NULL,
    lot TEXT NOT NULL,                  -- '' is "no lot"
    account INTEGER NOT NULL,           -- protocol.effects.Account
    value INTEGER NOT NULL,             -- what is shown
    total INTEGER NOT NULL DEFAULT 0,   -- what the hub said
    hub_seq INTEGER NOT NULL DEFAULT 0, -- when it said so; 0: never
    own INTEGER NOT NULL DEFAULT 0,     -- how far our log is inside `total`
    tail BLOB,                          -- parts of the row that a newer hub adds; NULL: none
    PRIMARY KEY (location, sku, lot, account)
) STRICT, WITHOUT ROWID;

CREATE INDEX counter_by_sku ON counter (sku, location);

-- Own counter effects that count on top of the hub's rows. A row goes when the hub's row includes it.
CREATE TABLE pending_delta (
    location TEXT NOT NULL,
    sku TEXT NOT NULL,
    lot TEXT NOT NULL,
    account INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    delta INTEGER NOT NULL,
    PRIMARY KEY (location, sku, lot, account, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX pending_delta_by_seq ON pending_delta (location, seq);

-- Documents as the hub last sent them (`fields`), and the view (`shown`): own edits joined in.
CREATE TABLE document (
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    shown BLOB NOT NULL,                -- packed fields; see protocol.documents.fields_to_wire
    fields BLOB NOT NULL,
    scopes BLOB NOT NULL,               -- packed, sorted; as the hub said
    hub_seq INTEGER NOT NULL DEFAULT 0,
    own INTEGER NOT NULL DEFAULT 0,
    tail BLOB,
    changed INTEGER NOT NULL DEFAULT 0, -- no later than the change that tells of it; larger than any told before
    PRIMARY KEY (collection, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX document_by_change ON document (collection, changed, id);

CREATE TABLE pending_edit (
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    effects BLOB NOT NULL,              -- the operation's effects on this document, packed
    PRIMARY KEY (collection, id, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX pending_edit_by_seq ON pending_edit (seq);

-- What people search SKUs by: the words of their documents, folded; kept with what is shown of them. See search.py.
CREATE TABLE sku_text (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    archived INTEGER NOT NULL,          -- 1: left out of a search unless asked for
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    barcodes TEXT NOT NULL,             -- in every length that a GTIN is written with
    sort TEXT NOT NULL,                 -- category, dosage form and strength
    more TEXT NOT NULL                  -- description
) STRICT;

-- `ascii`: what separates words was taken out by search.py, so every word here is one there. It writes this too: a trigger
-- may not, since connections trust no schema.
CREATE VIRTUAL TABLE sku_search USING fts5(
    code, name, barcodes, sort, more,
    content='sku_text', content_rowid='position', tokenize='ascii', prefix='1 2'
);

-- Which SKUs a barcode is on. See search.py.
CREATE TABLE sku_barcode (
    code TEXT NOT NULL,                 -- the 14 digits of a GTIN, or the code as it is read
    sku TEXT NOT NULL,
    confirmed INTEGER NOT NULL,         -- 0: a shop linked it, and the office has not looked yet
    PRIMARY KEY (code, sku)
) STRICT, WITHOUT ROWID;

CREATE INDEX sku_barcode_by_sku ON sku_barcode (sku);
CREATE INDEX sku_barcode_to_confirm ON sku_barcode (sku) WHERE confirmed = 0;

-- A row while SKUs are put into the two tables above that were documents before those were there.
CREATE TABLE indexing (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    after TEXT NOT NULL                 -- those up to this one are in
) STRICT;

-- The scopes this node reads.
CREATE TABLE scope (
    scope TEXT PRIMARY KEY,
    cursor INTEGER NOT NULL DEFAULT 0,  -- hub_seq up to which the feed was read
    salt BLOB NOT NULL,                 -- of the hub commit that wrote `cursor`
    own INTEGER NOT NULL DEFAULT 0,     -- how far our log is inside the scope, when last read to its end
    caught_up INTEGER NOT NULL DEFAULT 0,
    held INTEGER NOT NULL DEFAULT 1,    -- 0: known only from a document that is also in a held scope
    rows INTEGER NOT NULL DEFAULT 0,
    digest BLOB NOT NULL,               -- sum of row hashes, 16 bytes
    hub_seq INTEGER NOT NULL DEFAULT 0, -- largest of the scope's rows, once it was read to its end
    going BLOB,                         -- rows of it are being dropped: the document looked at last, packed; else NULL
    inside BLOB                         -- how far each log was inside it, packed, when last read to its end; NULL: never
) STRICT, WITHOUT ROWID;

-- What people search. Own movements keep their bytes in the log until that was cut off before them; `body` is for those and
-- for those of other replicas.
CREATE TABLE movement (
    position INTEGER PRIMARY KEY,       -- order of arrival here; newest is largest
    op_id BLOB NOT NULL UNIQUE,
    replica BLOB NOT NULL,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    location TEXT NOT NULL,
    reference TEXT,
    occurred_at INTEGER NOT NULL,
    reverses BLOB,                      -- op_id of the movement that this one takes back
    body BLOB,
    body_hash BLOB                      -- 16 bytes over the body of an own movement that left the log; NULL: any other
) STRICT;

CREATE INDEX movement_by_location ON movement (location, position);
CREATE INDEX movement_by_day ON movement (location, occurred_at);
CREATE INDEX movement_by_reference ON movement (reference, position) WHERE reference IS NOT NULL;
CREATE INDEX movement_with_bytes ON movement (position) WHERE body IS NOT NULL;
CREATE INDEX movement_by_reversed ON movement (reverses) WHERE reverses IS NOT NULL;

CREATE TABLE movement_sku (
    sku TEXT NOT NULL,
    position INTEGER NOT NULL,
    lot TEXT NOT NULL,
    PRIMARY KEY (sku, position, lot)
) STRICT, WITHOUT ROWID;

-- The first answer to each request that recorded something.
CREATE TABLE answer (
    position INTEGER PRIMARY KEY,       -- order of time, so that old ones are found without an index
    client TEXT NOT NULL,
    route TEXT NOT NULL,
    key TEXT NOT NULL,
    request BLOB NOT NULL,              -- digest of the validated request
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    answered_at INTEGER NOT NULL,
    UNIQUE (client, route, key)
) STRICT;

-- How old answers are at least: those up to `upto` were given before the hub's clock showed `hub_at`.
CREATE TABLE answer_mark (
    upto INTEGER PRIMARY KEY,
    hub_at INTEGER NOT NULL
) STRICT;

CREATE TABLE token (
    digest BLOB PRIMARY KEY,            -- a token itself is shown once and stored nowhere
    name TEXT NOT NULL,
    authority TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What changed of what is shown: a line for each transaction, the newest of them kept. Nobody deletes the newest, so a
-- number is never given twice. See changes.py.
CREATE TABLE change (
    n INTEGER PRIMARY KEY,
    seq INTEGER,                        -- of an own operation, whose effects say what changed; or else
    keys BLOB                           -- the changed rows, packed
) STRICT;

-- A row while own operations are to be asked about with CLAIM: since a new replica or epoch. See claims.py.
CREATE TABLE claim (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    after INTEGER NOT NULL,             -- up to here of the log the answers were carried out
    is_whole INTEGER NOT NULL           -- 1: about everything retained; 0: only about what is on top
) STRICT;

-- When a scope was last found to differ from the hub's and mended.
CREATE TABLE repair (
    scope TEXT PRIMARY KEY,
    began_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How far the hub's ledger was read for other replicas' movements at a location.
CREATE TABLE pulled (
    location TEXT PRIMARY KEY,
    position INTEGER NOT NULL,          -- in the ledger of this epoch
    is_whole INTEGER NOT NULL DEFAULT 0 -- 1: it was read to its end once
) STRICT, WITHOUT ROWID;

-- What happened that a person should know of; the newest are kept.
CREATE TABLE incident (
    position INTEGER PRIMARY KEY,
    code TEXT NOT NULL,                 -- stable: see incidents.py
    detail TEXT NOT NULL,
    happened_at INTEGER NOT NULL
) STRICT;

-- Which nodes of the chain left for good, as the hub signed it: handed back to a hub that was put back to a backup.
CREATE TABLE departure (
    node BLOB PRIMARY KEY CHECK (length(node) = 16),
    record BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Of which locations a machine that was revoked held the credentials: what was set without knowing of the newest such
-- revocation opens nothing here. It follows from what is in `departure`.
CREATE TABLE forced_reset (
    place BLOB PRIMARY KEY CHECK (length(place) = 4), -- digest of the location's code; that of '*' stands for every one
    at INTEGER NOT NULL,                -- the hub's clock
    mark TEXT NOT NULL                  -- what a credential carries that was set since
) STRICT, WITHOUT ROWID;

-- How many documents each location has made, as far as this node knows: what the next number counts on from.
CREATE TABLE numbering (
    location TEXT PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What was told of the stock shown here: one row for each subject that ever held, with its last time. It follows from what
-- is shown, so each node has its own and none is synced. See node/alerting.
CREATE TABLE alert (
    position INTEGER PRIMARY KEY,       -- order of raising; what was raised last is largest
    id BLOB NOT NULL UNIQUE,            -- of this time that it was raised; the same after a restored backup
    location TEXT NOT NULL,             -- '' for the chain
    sku TEXT NOT NULL,
    lot TEXT NOT NULL,                  -- '' where it is about all lots
    condition TEXT NOT NULL,            -- protocol.workflows.alerts.Condition
    rule TEXT NOT NULL,                 -- id of the rule; '' for conditions that need none
    notification TEXT,                  -- how the rule was told: whoever heard that it began hears that it ended
    number INTEGER NOT NULL,            -- only grows; odd while raised
    amount INTEGER NOT NULL,            -- available, or on hand of a lot or below zero, when it was raised
    threshold INTEGER,
    expiry TEXT,
    raised_at INTEGER NOT NULL,
    cleared_at INTEGER,                 -- NULL while it is raised
    acknowledged_at INTEGER,            -- this time; NULL until somebody does
    acknowledged_by TEXT,
    UNIQUE (location, sku, lot, condition, rule)
) STRICT;

CREATE INDEX alert_open ON alert (position) WHERE cleared_at IS NULL;
CREATE INDEX alert_by_rule ON alert (rule) WHERE rule <> '';

-- Up to which number of `change` alerts were looked at. One row, once there were any.
CREATE TABLE alert_mark (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    n INTEGER NOT NULL
) STRICT;

-- The locations that were looked at as a whole, and by what (the day there, for how long ahead): under another basis they
-- are looked at again.
CREATE TABLE alert_place (
    location TEXT PRIMARY KEY,          -- '' for the chain
    basis TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What is still to be told to other machines, and what could not be.
CREATE TABLE alert_delivery (
    position INTEGER PRIMARY KEY,
    target TEXT NOT NULL,               -- 'webhook:<name>' or 'email'
    id TEXT NOT NULL,                   -- the same at each attempt
    body BLOB NOT NULL,                 -- JSON, as it is sent
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL,           -- not tried before
    last_error TEXT,
    given_up_at INTEGER,                -- NULL while it is tried
    UNIQUE (target, id)
) STRICT;

CREATE INDEX alert_delivery_waiting ON alert_delivery (target, next_at) WHERE given_up_at IS NULL;
CREATE INDEX alert_delivery_given_up ON alert_delivery (position) WHERE given_up_at IS NOT NULL;

-- Up to which change documents were looked at for what merged events left owing. See owing.py.
CREATE TABLE looked_at (
    collection TEXT PRIMARY KEY,
    rights BLOB NOT NULL,               -- what this node could write then, packed; with other rights it looks again
    changed INTEGER NOT NULL,           -- of the document looked at last
    id TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Documents that owe something which this node is to book.
CREATE TABLE owing (
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    due INTEGER NOT NULL,               -- when this node is to book it, if nobody has
    PRIMARY KEY (collection, id)
) STRICT, WITHOUT ROWID;

-- What a person has to look at: one row for each exception that ever was. It follows from what is shown here; what a person
-- says of it is a document. See node/exceptions.
CREATE TABLE exception (
    position INTEGER PRIMARY KEY,       -- order of noticing; what was noticed last is largest
    id TEXT NOT NULL UNIQUE,            -- the same at every node; also that of the document with what people said of it
    source TEXT NOT NULL,               -- what it was read from: a shelf, a document, an operation
    code TEXT NOT NULL,                 -- protocol.findings.Code
    matter TEXT NOT NULL,               -- what of it, where there are several; '' where there are not
    location TEXT NOT NULL,             -- '' for the chain
    other_location TEXT NOT NULL,
    sku TEXT NOT NULL,
    lot TEXT NOT NULL,
    collection TEXT NOT NULL,           -- of the document that it is about; '' for none
    document TEXT NOT NULL,
    operation TEXT NOT NULL,            -- in hexadecimal
    facts BLOB NOT NULL,                -- packed: what there is to say beside
    version TEXT NOT NULL,              -- names the facts: with others it is open again
    since INTEGER NOT NULL,             -- when this node noticed it
    ended_at INTEGER,                   -- NULL while it holds
    resolved INTEGER NOT NULL           -- 1: a person has said what became of these very facts
) STRICT;

CREATE INDEX exception_of_source ON exception (source);
CREATE INDEX exception_open ON exception (position) WHERE ended_at IS NULL AND resolved = 0;
CREATE INDEX exception_ended ON exception (ended_at) WHERE ended_at IS NOT NULL;

-- The counts that this node took for stocktakes. See late.py.
CREATE TABLE count_taken (
    location TEXT NOT NULL,
    sku TEXT NOT NULL,
    lot TEXT NOT NULL,
    stocktake TEXT NOT NULL,
    round INTEGER NOT NULL,
    counted_at INTEGER NOT NULL,        -- by the hub's clock, as far as it was known
    inside BLOB NOT NULL,               -- how far each log was inside what was shown then
    PRIMARY KEY (location, sku, lot, stocktake, round)
) STRICT, WITHOUT ROWID;

CREATE INDEX count_taken_by_time ON count_taken (counted_at);

-- Movements of before such a count that came after it, until the stocktake's document says so.
CREATE TABLE late_movement (
    stocktake TEXT NOT NULL,
    sku TEXT NOT NULL,
    lot TEXT NOT NULL,
    round INTEGER NOT NULL,
    op_id BLOB NOT NULL,
    delta INTEGER NOT NULL,
    PRIMARY KEY (stocktake, sku, lot, round, op_id)
) STRICT, WITHOUT ROWID;

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

-- This node's own keys, newest last: to the newest is sealed what it may read. An older one is there until nothing needs it.
CREATE TABLE own_sealing_key (
    made INTEGER PRIMARY KEY,
    public BLOB NOT NULL UNIQUE CHECK (length(public) = 32),
    wrapped BLOB NOT NULL               -- the private half, sealed for the device's key, which is in no database
) STRICT;

-- What opens each sealed record of this node's locations, or that it was destroyed. Beside the log, which is for ever.
CREATE TABLE record_key (
    op_id BLOB NOT NULL CHECK (length(op_id) = 16),
    box BLOB NOT NULL,                  -- which sealed part: protocol.sealing.box_digest; empty: all of them are destroyed
    location TEXT NOT NULL,
    key BLOB NOT NULL,                  -- msgpack of protocol.sealed_keys.record_key_to_wire
    readers BLOB NOT NULL,              -- names the set of keys that it is wrapped for; empty once destroyed
    untold INTEGER NOT NULL,            -- 1: the hub has not said that it keeps this state
    PRIMARY KEY (op_id, box)
) STRICT, WITHOUT ROWID;

CREATE INDEX record_key_untold ON record_key (location, op_id) WHERE untold = 1;
CREATE INDEX record_key_readers ON record_key (location, readers, op_id);

-- How far the hub's keys of a location were read, in which epoch, and who seals there, as the hub told.
CREATE TABLE sealed_place (
    location TEXT PRIMARY KEY,
    epoch BLOB NOT NULL,
    upto INTEGER NOT NULL,
    sealers BLOB NOT NULL               -- msgpack of [[certificate, announcement], …]; verified whenever it is read
) STRICT, WITHOUT ROWID;

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

-- Who has signed in here, and who guessed too often. Neither leaves this node.
CREATE TABLE session (
    digest BLOB PRIMARY KEY,            -- of the token; the token itself is with whoever signed in
    person TEXT NOT NULL,               -- id of the user
    location TEXT NOT NULL,             -- of the post signed in by; '*' for the chain's
    till TEXT NOT NULL,                 -- name of the till of a shift; '' for a session
    proof INTEGER NOT NULL,             -- when the credential was set that was shown
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sign_in_failure (
    name BLOB PRIMARY KEY,              -- digest of the name tried, whether or not there is anybody of it
    failures INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The latest moment that this node has lived to, so that a clock put back lengthens nothing. One row.
CREATE TABLE latest_moment (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    at INTEGER NOT NULL
) STRICT;

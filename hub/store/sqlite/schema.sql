-- The hub's database. Times are UTC milliseconds of the hub's clock, quantities base units.

CREATE TABLE meta (
  key   TEXT PRIMARY KEY,      -- 'chain', 'epoch', and 'recovery' for the public half of that key
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE node (
  node         BLOB PRIMARY KEY CHECK (length(node) = 16),
  name         TEXT NOT NULL UNIQUE,
  role         TEXT NOT NULL CHECK (role IN ('store', 'office')),
  public_key   BLOB NOT NULL CHECK (length(public_key) = 32),
  reads        TEXT NOT NULL,  -- JSON array; what it writes is in node_right
  serial       INTEGER NOT NULL, -- of the newest certificate; an older one is exchanged at the next session
  certificate  BLOB NOT NULL,  -- signed, as the node holds it: handed out again without the key
  status       TEXT NOT NULL CHECK (status IN ('active', 'retired', 'revoked')),
  enrolled_at  INTEGER NOT NULL,
  software     TEXT,           -- these four are what the node said of itself: NULL before its first session
  replica      INTEGER REFERENCES replica (id),
  pending      INTEGER,
  last_seen_at INTEGER,
  retiring_at  INTEGER         -- since when it only delivers what it recorded before; NULL: it works
) STRICT, WITHOUT ROWID;

-- Every location a node was ever allowed to write. An ended right stays: what was recorded under it counts,
-- however late it arrives.
CREATE TABLE node_right (
  node     BLOB NOT NULL REFERENCES node (node),
  location TEXT NOT NULL,
  since    INTEGER NOT NULL,
  until    INTEGER,            -- NULL while the newest certificate has it
  PRIMARY KEY (node, location)
) STRICT, WITHOUT ROWID;

-- Who writes a location now, for the refusal of a second writer.
CREATE INDEX node_right_held ON node_right (location) WHERE until IS NULL;

CREATE TABLE enrolment_code (
  code          BLOB PRIMARY KEY, -- public half; 5 bytes
  secret_digest BLOB NOT NULL,    -- the secret itself is with the person who carries the code
  name          TEXT NOT NULL,
  role          TEXT NOT NULL,
  writes        TEXT NOT NULL,    -- JSON arrays
  reads         TEXT NOT NULL,
  replaces      TEXT,             -- name of a node
  standby       INTEGER NOT NULL CHECK (standby IN (0, 1)),
  expires_at    INTEGER NOT NULL,
  used_at       INTEGER,          -- set in the transaction that makes the node: a code works once
  node          BLOB REFERENCES node (node)
) STRICT, WITHOUT ROWID;

CREATE TABLE replica (
  id            INTEGER PRIMARY KEY, -- short name for the tables below: 16 bytes an entry would double them
  replica       BLOB NOT NULL UNIQUE CHECK (length(replica) = 16),
  node          BLOB NOT NULL REFERENCES node (node),
  acked         INTEGER NOT NULL,
  chain         BLOB NOT NULL CHECK (length(chain) = 32), -- hash of the log at acked
  session       BLOB NOT NULL,    -- the one session that may push; an older one finds another value and is fenced
  boot          BLOB NOT NULL,    -- the process start that opened it
  registered_at INTEGER NOT NULL
) STRICT;

-- The logs of a node that leaves: whatever a session of theirs has under way is fenced.
CREATE INDEX replica_of_node ON replica (node);

-- Everything ever accepted, in the order of commits. `code` NULL and `repeats` NULL: it counts.
CREATE TABLE ledger (
  position    INTEGER PRIMARY KEY,
  replica     INTEGER NOT NULL REFERENCES replica (id),
  seq         INTEGER NOT NULL,
  accepted_at INTEGER NOT NULL,   -- min(hub's clock, the time of an earlier acknowledgement): caps its stamps
  code        TEXT CHECK (code IN ('undecodable', 'forbidden', 'out_of_range', 'repeat_differs')),
  detail      TEXT,
  repeats     INTEGER REFERENCES ledger (position), -- the operation of the same op_id and home that counts
  body        BLOB,               -- NULL when it is byte for byte what `repeats` holds
  CHECK ((code IS NULL) = (detail IS NULL)),
  CHECK (code IS NOT 'repeat_differs' OR repeats IS NOT NULL),
  CHECK (body IS NOT NULL OR repeats IS NOT NULL),
  UNIQUE (replica, seq)
) STRICT;

-- What a node is told after a lost connection, and what the operator lists.
CREATE INDEX ledger_quarantined ON ledger (replica, seq) WHERE code IS NOT NULL;

CREATE TRIGGER ledger_is_append_only_1 BEFORE UPDATE ON ledger BEGIN
  SELECT RAISE(ABORT, 'the ledger is append-only');
END;
CREATE TRIGGER ledger_is_append_only_2 BEFORE DELETE ON ledger BEGIN
  SELECT RAISE(ABORT, 'the ledger is append-only');
END;

-- One op_id of a home location counts once, whichever replica brings it.
CREATE TABLE applied (
  op_id    BLOB NOT NULL,
  home     TEXT NOT NULL,         -- '' for an operation without a counter
  position INTEGER NOT NULL,      -- in the ledger
  PRIMARY KEY (op_id, home)
) STRICT, WITHOUT ROWID;

CREATE TABLE counter (
  id       INTEGER PRIMARY KEY,   -- short name for entry
  location TEXT NOT NULL,
  sku      TEXT NOT NULL,
  lot      TEXT NOT NULL,         -- '' for no lot
  account  INTEGER NOT NULL,
  total    INTEGER NOT NULL,      -- sum of plus less sum of minus over its entries; kept because pages read it
  hub_seq  INTEGER NOT NULL,
  UNIQUE (location, sku, lot, account)
) STRICT;

-- The feed of stock:<location>.
CREATE INDEX counter_feed ON counter (location, hub_seq);

-- What one replica added to one counter, up to its operation seq: a PN-counter's entry.
CREATE TABLE entry (
  counter INTEGER NOT NULL REFERENCES counter (id),
  replica INTEGER NOT NULL REFERENCES replica (id),
  seq     INTEGER NOT NULL,
  plus    INTEGER NOT NULL,       -- sums of magnitudes: neither ever shrinks
  minus   INTEGER NOT NULL,
  PRIMARY KEY (counter, replica)
) STRICT, WITHOUT ROWID;

CREATE TABLE document (
  id          INTEGER PRIMARY KEY, -- short name for document_scope
  collection  TEXT NOT NULL,
  document_id TEXT NOT NULL,
  fields      BLOB NOT NULL,       -- msgpack of protocol.documents.fields_to_wire: the hub never looks inside by SQL
  hub_seq     INTEGER NOT NULL,
  UNIQUE (collection, document_id)
) STRICT;

CREATE TABLE document_scope (
  document INTEGER NOT NULL REFERENCES document (id),
  scope    TEXT NOT NULL,
  hub_seq  INTEGER NOT NULL,       -- the document's, again: the feed of a scope is one range of an index
  PRIMARY KEY (document, scope)
) STRICT, WITHOUT ROWID;

CREATE INDEX document_scope_feed ON document_scope (scope, hub_seq);

CREATE TABLE scope (
  scope   TEXT PRIMARY KEY,
  rows    INTEGER NOT NULL,
  digest  BLOB NOT NULL CHECK (length(digest) = 16),
  hub_seq INTEGER NOT NULL,        -- of its newest row; 0 without rows
  writers INTEGER NOT NULL         -- in scope_writer; bounded by INSIDE_REPLICAS_MAX
) STRICT, WITHOUT ROWID;

-- Replicas with an operation in the scope: whose positions a page must tell.
CREATE TABLE scope_writer (
  scope   TEXT NOT NULL REFERENCES scope (scope),
  replica INTEGER NOT NULL REFERENCES replica (id),
  PRIMARY KEY (scope, replica)
) STRICT, WITHOUT ROWID;

-- At session start: the scopes a replica has written in.
CREATE INDEX scope_writer_of ON scope_writer (replica);

-- One row a commit that changed rows. The salt of any hub_seq is that of the smallest last_hub_seq not below it,
-- so that a cursor inside a commit can be checked too. The largest last_hub_seq is the sequencer.
CREATE TABLE commit_salt (
  last_hub_seq INTEGER PRIMARY KEY,
  salt         BLOB NOT NULL CHECK (length(salt) = 8),
  committed_at INTEGER NOT NULL
) STRICT;

-- Backups that were restored and verified, the newest few. What is inside both of the last two is stable: nodes may prune it.
CREATE TABLE backup (
  id          INTEGER PRIMARY KEY,
  file        TEXT NOT NULL,       -- as it was named then; nobody knows whether it is still there
  taken_at    INTEGER NOT NULL,
  verified_at INTEGER NOT NULL,
  hub_seq     INTEGER NOT NULL,
  operations  INTEGER NOT NULL     -- in its ledger
) STRICT;

-- How far each log is inside a backup; kept for the newest two.
CREATE TABLE backup_position (
  backup  INTEGER NOT NULL REFERENCES backup (id),
  replica INTEGER NOT NULL REFERENCES replica (id),
  acked   INTEGER NOT NULL,
  PRIMARY KEY (backup, replica)
) STRICT, WITHOUT ROWID;

-- Nodes that were revoked or are retired, as signed by this hub. No reference to `node`: a restored hub may hear of a
-- departure before it hears of the node.
CREATE TABLE departure (
  node   BLOB PRIMARY KEY CHECK (length(node) = 16),
  reason TEXT NOT NULL CHECK (reason IN ('retired', 'revoked')),
  record BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Each node's signed word of the key to which is sealed what it may read.
CREATE TABLE sealing_key (
  node   BLOB PRIMARY KEY REFERENCES node (node),
  record BLOB NOT NULL             -- see protocol.sealed_keys.announce
) STRICT, WITHOUT ROWID;

-- What opens each sealed record, wrapped for keys that are not here, or that it was destroyed. Beside the ledger, since
-- this can be forgotten and that cannot.
CREATE TABLE record_key (
  location TEXT NOT NULL,
  op_id    BLOB NOT NULL CHECK (length(op_id) = 16),
  box      BLOB NOT NULL,          -- which sealed part: protocol.sealing.box_digest; empty: all of them are destroyed
  key      BLOB NOT NULL,          -- msgpack of protocol.sealed_keys.record_key_to_wire
  changed  INTEGER NOT NULL,       -- the location's own count of changes: where whoever asks goes on
  PRIMARY KEY (location, op_id, box)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX record_key_changed ON record_key (location, changed);

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

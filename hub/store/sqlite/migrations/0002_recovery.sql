-- Backups that were restored and verified, nodes that left for good, and nodes on their way out.
ALTER TABLE node ADD COLUMN retiring_at INTEGER;

CREATE TABLE backup (
  id          INTEGER PRIMARY KEY,
  file        TEXT NOT NULL,
  taken_at    INTEGER NOT NULL,
  verified_at INTEGER NOT NULL,
  hub_seq     INTEGER NOT NULL,
  operations  INTEGER NOT NULL
) STRICT;

CREATE TABLE backup_position (
  backup  INTEGER NOT NULL REFERENCES backup (id),
  replica INTEGER NOT NULL REFERENCES replica (id),
  acked   INTEGER NOT NULL,
  PRIMARY KEY (backup, replica)
) STRICT, WITHOUT ROWID;

CREATE TABLE departure (
  node   BLOB PRIMARY KEY CHECK (length(node) = 16),
  reason TEXT NOT NULL CHECK (reason IN ('retired', 'revoked')),
  record BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX replica_of_node ON replica (node);

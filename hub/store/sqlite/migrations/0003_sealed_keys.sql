-- The keys of sealed records, beside the ledger so that they can be destroyed, and nodes' words of their own keys.
CREATE TABLE sealing_key (
  node   BLOB PRIMARY KEY REFERENCES node (node),
  record BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE record_key (
  location TEXT NOT NULL,
  op_id    BLOB NOT NULL CHECK (length(op_id) = 16),
  box      BLOB NOT NULL,
  key      BLOB NOT NULL,
  changed  INTEGER NOT NULL,
  PRIMARY KEY (location, op_id, box)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX record_key_changed ON record_key (location, changed);

-- The beginning of a log may be cut off, a backup is marked as one, and a spare knows whom it replaces.
ALTER TABLE replica ADD COLUMN log_base INTEGER NOT NULL DEFAULT 1;
ALTER TABLE replica ADD COLUMN base_chain BLOB;
ALTER TABLE identity ADD COLUMN replaces TEXT;
ALTER TABLE identity ADD COLUMN replaces_heard_at INTEGER;
ALTER TABLE movement ADD COLUMN body_hash BLOB;

CREATE TABLE kept_edit (
    position INTEGER PRIMARY KEY,
    body BLOB NOT NULL,
    body_hash BLOB NOT NULL,
    accepted_at INTEGER
) STRICT;

CREATE TABLE backup (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    made_at INTEGER NOT NULL,
    signing_key BLOB NOT NULL
) STRICT;

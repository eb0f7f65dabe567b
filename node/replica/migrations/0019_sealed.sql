-- Keys of sealed records, beside the log so that they can be destroyed, and this node's own key.
CREATE TABLE own_sealing_key (
    made INTEGER PRIMARY KEY,
    public BLOB NOT NULL UNIQUE CHECK (length(public) = 32),
    wrapped BLOB NOT NULL
) STRICT;

CREATE TABLE record_key (
    op_id BLOB NOT NULL CHECK (length(op_id) = 16),
    box BLOB NOT NULL,
    location TEXT NOT NULL,
    key BLOB NOT NULL,
    readers BLOB NOT NULL,
    untold INTEGER NOT NULL,
    PRIMARY KEY (op_id, box)
) STRICT, WITHOUT ROWID;

CREATE INDEX record_key_untold ON record_key (location, op_id) WHERE untold = 1;
CREATE INDEX record_key_readers ON record_key (location, readers, op_id);

CREATE TABLE sealed_place (
    location TEXT PRIMARY KEY,
    epoch BLOB NOT NULL,
    upto INTEGER NOT NULL,
    sealers BLOB NOT NULL
) STRICT, WITHOUT ROWID;

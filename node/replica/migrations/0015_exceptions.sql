-- What a person has to look at: one row for each exception that ever was. See node/exceptions.
CREATE TABLE exception (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    source TEXT NOT NULL,
    code TEXT NOT NULL,
    matter TEXT NOT NULL,
    location TEXT NOT NULL,
    other_location TEXT NOT NULL,
    sku TEXT NOT NULL,
    lot TEXT NOT NULL,
    collection TEXT NOT NULL,
    document TEXT NOT NULL,
    operation TEXT NOT NULL,
    facts BLOB NOT NULL,
    version TEXT NOT NULL,
    since INTEGER NOT NULL,
    ended_at INTEGER,
    resolved INTEGER NOT NULL
) STRICT;

CREATE INDEX exception_of_source ON exception (source);
CREATE INDEX exception_open ON exception (position) WHERE ended_at IS NULL AND resolved = 0;
CREATE INDEX exception_ended ON exception (ended_at) WHERE ended_at IS NOT NULL;

-- The counts that this node took for stocktakes, and the movements that turned out to be missing in them. See late.py.
CREATE TABLE count_taken (
    location TEXT NOT NULL,
    sku TEXT NOT NULL,
    lot TEXT NOT NULL,
    stocktake TEXT NOT NULL,
    round INTEGER NOT NULL,
    counted_at INTEGER NOT NULL,
    inside BLOB NOT NULL,
    PRIMARY KEY (location, sku, lot, stocktake, round)
) STRICT, WITHOUT ROWID;

CREATE INDEX count_taken_by_time ON count_taken (counted_at);

CREATE TABLE late_movement (
    stocktake TEXT NOT NULL,
    sku TEXT NOT NULL,
    lot TEXT NOT NULL,
    round INTEGER NOT NULL,
    op_id BLOB NOT NULL,
    delta INTEGER NOT NULL,
    PRIMARY KEY (stocktake, sku, lot, round, op_id)
) STRICT, WITHOUT ROWID;

-- How far the logs of other replicas are inside the rows of a scope, packed, when it was last read to its end.
ALTER TABLE scope ADD COLUMN inside BLOB;

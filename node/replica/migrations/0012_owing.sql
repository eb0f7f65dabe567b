-- How far documents were looked at for what merged events left owing, and those that owe something.
CREATE TABLE looked_at (
    collection TEXT PRIMARY KEY,
    rights BLOB NOT NULL,
    changed INTEGER NOT NULL,
    id TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE owing (
    collection TEXT NOT NULL,
    id TEXT NOT NULL,
    due INTEGER NOT NULL,
    PRIMARY KEY (collection, id)
) STRICT, WITHOUT ROWID;

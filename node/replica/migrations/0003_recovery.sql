-- What is still to be asked of the hub after a loss, what was mended, and how far others' movements were pulled.
CREATE TABLE claim (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    after INTEGER NOT NULL,
    is_whole INTEGER NOT NULL
) STRICT;

CREATE TABLE repair (
    scope TEXT PRIMARY KEY,
    began_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE pulled (
    location TEXT PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE incident (
    position INTEGER PRIMARY KEY,
    code TEXT NOT NULL,
    detail TEXT NOT NULL,
    happened_at INTEGER NOT NULL
) STRICT;

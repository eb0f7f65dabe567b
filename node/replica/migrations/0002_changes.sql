-- What changed of what is shown, for those who follow it live.
CREATE TABLE change (
    n INTEGER PRIMARY KEY,
    seq INTEGER,
    keys BLOB
) STRICT;

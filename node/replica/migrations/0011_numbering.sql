-- Numbers of documents for people.
CREATE TABLE numbering (
    location TEXT PRIMARY KEY,
    last INTEGER NOT NULL               -- documents that it has made, as far as this node knows
) STRICT, WITHOUT ROWID;

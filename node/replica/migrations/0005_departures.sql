-- Which nodes of the chain left for good, as the hub signed it: handed back to a hub that was put back to a backup.
CREATE TABLE departure (
    node BLOB PRIMARY KEY CHECK (length(node) = 16),
    record BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Of which locations a machine that was revoked held the credentials: what was set without knowing of the newest such
-- revocation opens nothing here. It follows from what is in `departure`.
CREATE TABLE forced_reset (
    place BLOB PRIMARY KEY CHECK (length(place) = 4), -- digest of the location's code; that of '*' stands for every one
    at INTEGER NOT NULL,                -- the hub's clock
    mark TEXT NOT NULL                  -- what a credential carries that was set since
) STRICT, WITHOUT ROWID;

-- Who has signed in here, and who guessed too often. Neither leaves this node.
CREATE TABLE session (
    digest BLOB PRIMARY KEY,            -- of the token; the token itself is with whoever signed in
    person TEXT NOT NULL,               -- id of the user
    location TEXT NOT NULL,             -- of the post signed in by; '*' for the chain's
    till TEXT NOT NULL,                 -- name of the till of a shift; '' for a session
    proof INTEGER NOT NULL,             -- when the credential was set that was shown
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sign_in_failure (
    name BLOB PRIMARY KEY,              -- digest of the name tried, whether or not there is anybody of it
    failures INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The latest moment that this node has lived to, so that a clock put back lengthens nothing. One row.
CREATE TABLE latest_moment (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    at INTEGER NOT NULL
) STRICT;

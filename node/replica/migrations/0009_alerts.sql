-- Alerts: what was told of the stock shown here, and what is still to be delivered of it.
CREATE TABLE alert (
    position INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    location TEXT NOT NULL,
    sku TEXT NOT NULL,
    lot TEXT NOT NULL,
    condition TEXT NOT NULL,
    rule TEXT NOT NULL,
    notification TEXT,
    number INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    threshold INTEGER,
    expiry TEXT,
    raised_at INTEGER NOT NULL,
    cleared_at INTEGER,
    acknowledged_at INTEGER,
    acknowledged_by TEXT,
    UNIQUE (location, sku, lot, condition, rule)
) STRICT;

CREATE INDEX alert_open ON alert (position) WHERE cleared_at IS NULL;
CREATE INDEX alert_by_rule ON alert (rule) WHERE rule <> '';

CREATE TABLE alert_mark (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    n INTEGER NOT NULL
) STRICT;

CREATE TABLE alert_place (
    location TEXT PRIMARY KEY,
    basis TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE alert_delivery (
    position INTEGER PRIMARY KEY,
    target TEXT NOT NULL,
    id TEXT NOT NULL,
    body BLOB NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL,
    last_error TEXT,
    given_up_at INTEGER,
    UNIQUE (target, id)
) STRICT;

CREATE INDEX alert_delivery_waiting ON alert_delivery (target, next_at) WHERE given_up_at IS NULL;
CREATE INDEX alert_delivery_given_up ON alert_delivery (position) WHERE given_up_at IS NOT NULL;

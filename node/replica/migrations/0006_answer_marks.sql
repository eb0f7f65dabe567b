-- How old answers are at least: those up to `upto` were given before the hub's clock showed `hub_at`.
CREATE TABLE answer_mark (
    upto INTEGER PRIMARY KEY,
    hub_at INTEGER NOT NULL
) STRICT;

-- The newest state of the hub in which anything held here was read.
ALTER TABLE replica ADD COLUMN head_seen INTEGER NOT NULL DEFAULT 0;
ALTER TABLE replica ADD COLUMN head_salt BLOB NOT NULL DEFAULT x'0000000000000000';

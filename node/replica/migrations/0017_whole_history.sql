-- Whether the ledger of a location was ever read to its end; the next session says so.
ALTER TABLE pulled ADD COLUMN is_whole INTEGER NOT NULL DEFAULT 0;

-- While rows of a scope that is no longer read are dropped, piece by piece: the document looked at last, packed; else NULL.
ALTER TABLE scope ADD COLUMN going BLOB;

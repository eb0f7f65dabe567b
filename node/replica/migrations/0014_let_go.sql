-- When the hub last told this node that it was retired; NULL once it lets it in.
ALTER TABLE identity ADD COLUMN let_go_at INTEGER;

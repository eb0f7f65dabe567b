-- What a database's schema is, seen through SQLite's own tables.

-- name: objects
SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\_%' ESCAPE '\'
ORDER BY type, name;

-- name: table_kind
SELECT type, wr, strict FROM pragma_table_list WHERE name = :table AND schema = 'main';

-- name: table_columns
SELECT name, type, [notnull], dflt_value, pk, hidden FROM pragma_table_xinfo(:table) ORDER BY cid;

-- name: table_indexes
SELECT [unique], origin, partial, (
    SELECT group_concat(coalesce(name, '')) FROM pragma_index_info(list.name)
) FROM pragma_index_list(:table) AS list ORDER BY seq;

-- name: table_references
SELECT [from], [table], [to], on_update, on_delete FROM pragma_foreign_key_list(:table)
ORDER BY id, seq;

-- A statement that may fire a trigger begins a savepoint, at which the index of words writes what it has to the disk: row by
-- row, where a transaction should do so once. Whoever saves an office's part notes the document now.
DROP TRIGGER office_part_is_new;
DROP TRIGGER office_part_changes;

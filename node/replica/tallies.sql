-- name: tally
SELECT hour, counted FROM note_tally WHERE action = :action;

-- name: save
INSERT INTO note_tally (action, hour, counted) VALUES (:action, :hour, :counted)
ON CONFLICT (action) DO UPDATE SET hour = excluded.hour, counted = excluded.counted;

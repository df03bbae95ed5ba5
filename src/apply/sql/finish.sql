UPDATE {registry}.applies SET finished_at = now(), status = $2, steps_done = $3, error = $4 WHERE id = $1

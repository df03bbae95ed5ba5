UPDATE {registry}.applies SET finished_at = now(), status = $2, steps_done = $3, error = $4, checks = $5 WHERE id = $1

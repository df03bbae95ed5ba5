UPDATE {registry}.marts SET status = 'dropped', changed_at = now(), relation = NULL
WHERE project = $1 AND schema = $2 AND name = $3

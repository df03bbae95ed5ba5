DELETE FROM {registry}.heals WHERE project = $1 AND at < $2::timestamptz - interval '1 day'

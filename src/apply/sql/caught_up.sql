-- A version was built anew: its mart is not behind any more.
UPDATE {registry}.marts SET status = 'active' WHERE project = $1 AND schema = $2 AND name = $3 AND status = 'error'

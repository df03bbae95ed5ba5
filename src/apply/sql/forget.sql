-- The row that a dropped mart left gives way to a mart that takes its name.
DELETE FROM {registry}.marts WHERE project = $1 AND schema = $2 AND name = $3 AND status = 'dropped'

-- When a mart was last applied; no row where it is none any more.
SELECT changed_at FROM {registry}.marts WHERE project = $1 AND schema = $2 AND name = $3 AND status <> 'dropped'

-- The row and the history of a mart follow its new name; a row that a dropped mart left there gives way.
WITH gone AS (
  DELETE FROM {registry}.marts WHERE project = $1 AND schema = $4 AND name = $5 AND status = 'dropped'
), moved AS (
  UPDATE {registry}.refreshes SET schema = $4, mart = $5 WHERE project = $1 AND schema = $2 AND mart = $3
)
UPDATE {registry}.marts SET schema = $4, name = $5 WHERE project = $1 AND schema = $2 AND name = $3

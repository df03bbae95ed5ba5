-- The row and the history of a mart follow its new name.
WITH moved AS (
  UPDATE {registry}.refreshes SET schema = $4, mart = $5 WHERE project = $1 AND schema = $2 AND mart = $3
), versions AS (
  UPDATE {registry}.versions SET schema = $4, name = $5 WHERE project = $1 AND schema = $2 AND name = $3
)
UPDATE {registry}.marts SET schema = $4, name = $5 WHERE project = $1 AND schema = $2 AND name = $3

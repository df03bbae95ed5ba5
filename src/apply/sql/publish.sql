-- Which version the mart's view selects from, and the rollback that decides so, if one does.
WITH published AS (
  UPDATE {registry}.versions SET published = (version = $4) WHERE project = $1 AND schema = $2 AND name = $3
)
UPDATE {registry}.marts SET held = $5::jsonb WHERE project = $1 AND schema = $2 AND name = $3

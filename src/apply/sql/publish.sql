-- Which version the mart's view selects from; a rollback that the mart's file has overtaken is forgotten.
WITH published AS (
  UPDATE {registry}.versions SET published = (version = $4) WHERE project = $1 AND schema = $2 AND name = $3
)
UPDATE {registry}.marts SET held = CASE WHEN $5 THEN held END WHERE project = $1 AND schema = $2 AND name = $3

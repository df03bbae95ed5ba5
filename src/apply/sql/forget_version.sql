WITH gone AS (
    DELETE FROM {registry}.versions WHERE project = $1 AND schema = $2 AND name = $3 AND version = $4 RETURNING declared
)
DELETE FROM {registry}.positions AS p USING gone
WHERE p.project = $1 AND p.schema = gone.declared #>> '{name,schema}' AND p.name = gone.declared #>> '{name,name}'

-- The marts of a project; those that were dropped too where $2.
SELECT m.schema, m.name FROM {registry}.marts AS m WHERE m.project = $1 AND ($2 OR m.status <> 'dropped')

-- Every mart a project ever had.
SELECT m.schema, m.name FROM {registry}.marts AS m WHERE m.project = $1

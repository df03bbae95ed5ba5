-- When marts are due next, as the daemon that leads says.
SELECT d.schema, d.mart, d.at FROM {registry}.due_now AS d WHERE d.project = $1 ORDER BY d.at, d.schema, d.mart

INSERT INTO {registry}.audit (project, who, host, action, address, detail) VALUES ($1, $2, $3, $4, $5, $6)

DELETE FROM {registry}.versions WHERE project = $1 AND schema = $2 AND name = $3 AND version = $4

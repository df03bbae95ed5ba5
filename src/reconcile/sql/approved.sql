SELECT approved FROM {registry}.reconciles WHERE project = $1

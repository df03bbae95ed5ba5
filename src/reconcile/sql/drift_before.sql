SELECT drift FROM {registry}.reconciles WHERE project = $1

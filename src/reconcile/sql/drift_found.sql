UPDATE {registry}.reconciles SET drift = $2, drift_at = $3 WHERE project = $1 AND drift IS DISTINCT FROM $2

SELECT status, fingerprint, approved, plan -> 'refused' AS refused FROM {registry}.reconciles WHERE project = $1 FOR UPDATE

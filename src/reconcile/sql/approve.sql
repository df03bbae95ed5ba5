UPDATE {registry}.reconciles SET approved = fingerprint, approved_by = $2, approved_at = now() WHERE project = $1

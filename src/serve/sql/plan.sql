-- The plan that waits for an approval.
SELECT plan FROM {registry}.reconciles WHERE project = $1 AND status = 'pending'

-- The leadership that the registry knows.
SELECT epoch FROM {registry}.leaders WHERE project = $1

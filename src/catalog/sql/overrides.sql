-- What holds instead of what manifests say.
SELECT schema, name, what, value, file, who, at FROM {registry}.overrides WHERE project = $1 ORDER BY schema, name, what

-- The marts of other projects in the same registry.
SELECT schema, name, project FROM {registry}.marts WHERE project <> $1 AND status <> 'dropped'

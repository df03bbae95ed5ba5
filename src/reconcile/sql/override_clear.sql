-- Of these marts, or ($2 null) of all and of the project itself. Gives those that had one.
DELETE FROM {registry}.overrides
WHERE project = $1 AND what = $4
  AND ($2::text[] IS NULL OR (schema, name) IN (SELECT s, n FROM unnest($2::text[], $3::text[]) AS m (s, n)))
RETURNING schema, name

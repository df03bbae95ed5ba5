-- Names may go round: the rows leave all of their old names, for a schema that cannot be, before any takes its new one.
WITH versions AS (
  UPDATE {registry}.versions AS v SET schema = r.schema || E'\n', name = r.name
  FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS r (old_schema, old_name, schema, name)
  WHERE v.project = $1 AND v.schema = r.old_schema AND v.name = r.old_name
), positions AS (
  UPDATE {registry}.positions AS p SET schema = r.schema || E'\n', name = r.name
  FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS r (old_schema, old_name, schema, name)
  WHERE p.project = $1 AND p.schema = r.old_schema AND p.name = r.old_name
)
UPDATE {registry}.marts AS m SET schema = r.schema || E'\n', name = r.name
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS r (old_schema, old_name, schema, name)
WHERE m.project = $1 AND m.schema = r.old_schema AND m.name = r.old_name

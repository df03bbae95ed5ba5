-- The row, the versions and the history of a mart have its new name. History is moved once: it takes no name from another.
WITH moved AS (
  UPDATE {registry}.refreshes AS h SET schema = r.schema, mart = r.name
  FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS r (old_schema, old_name, schema, name)
  WHERE h.project = $1 AND h.schema = r.old_schema AND h.mart = r.old_name
), versions AS (
  UPDATE {registry}.versions AS v SET schema = r.schema
  FROM unnest($4::text[], $5::text[]) AS r (schema, name)
  WHERE v.project = $1 AND v.schema = r.schema || E'\n' AND v.name = r.name
), positions AS (
  UPDATE {registry}.positions AS p SET schema = r.schema
  FROM unnest($4::text[], $5::text[]) AS r (schema, name)
  WHERE p.project = $1 AND p.schema = r.schema || E'\n' AND p.name = r.name
)
UPDATE {registry}.marts AS m SET schema = r.schema
FROM unnest($4::text[], $5::text[]) AS r (schema, name)
WHERE m.project = $1 AND m.schema = r.schema || E'\n' AND m.name = r.name

-- What was applied of marts, and of versions under their own names.
SELECT a.schema, a.name, a.applied
FROM (SELECT m.schema, m.name, m.applied::text AS applied FROM {registry}.marts AS m WHERE m.project = $1
      UNION ALL
      SELECT v.declared #>> '{name,schema}', v.declared #>> '{name,name}', v.applied::text FROM {registry}.versions AS v WHERE v.project = $1) AS a
WHERE (a.schema, a.name) IN (SELECT * FROM unnest($2::text[], $3::text[])) AND a.applied IS NOT NULL

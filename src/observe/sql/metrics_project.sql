-- How the project is as a whole; one row, whether or not a revision was ever tried.
SELECT r.status, r.attempted_at, r.applied_at,
       CASE WHEN pg_catalog.jsonb_typeof(r.drift) = 'array' THEN pg_catalog.jsonb_array_length(r.drift) END AS drifted,
       (SELECT l.epoch FROM {registry}.leaders AS l WHERE l.project = p.project) AS epoch,
       (SELECT pg_catalog.count(*) FROM {registry}.refreshes AS q WHERE q.project = p.project AND q.status = 'queued') AS requests,
       coalesce(l.schemas, '{}') AS log_schemas, coalesce(l.names, '{}') AS log_names, coalesce(l.bytes, '{}') AS log_bytes
FROM (SELECT $1::text AS project) AS p
LEFT JOIN {registry}.reconciles AS r ON r.project = p.project
LEFT JOIN LATERAL (
  SELECT pg_catalog.array_agg(c.schema ORDER BY c.schema, c.name) AS schemas, pg_catalog.array_agg(c.name ORDER BY c.schema, c.name) AS names,
         pg_catalog.array_agg(s.bytes ORDER BY c.schema, c.name) AS bytes
  FROM {registry}.captures AS c
  CROSS JOIN LATERAL (
    SELECT coalesce(pg_catalog.sum(pg_catalog.pg_relation_size(g.oid)), 0)::bigint AS bytes
    FROM pg_catalog.pg_class AS g
    WHERE g.relname = ANY (ARRAY[c.log || '_0', c.log || '_1', c.log || '_2'])
      AND g.relnamespace = (SELECT m.relnamespace FROM pg_catalog.pg_class AS m WHERE m.oid = '{registry}.captures'::pg_catalog.regclass)) AS s
  WHERE c.project = p.project) AS l ON true

-- The logs of a project, how large each table of them is, and how long it has been written to.
SELECT c.log, c.segment::int AS segment, extract(epoch FROM now() - c.rotated_at)::float8 AS age, c.columns, c.types, c.logged, c.schema, c.name,
       ARRAY(SELECT coalesce(pg_catalog.pg_relation_size(s.oid), 0) FROM generate_series(0, 2) AS g (number)
             LEFT JOIN pg_catalog.pg_class AS s ON s.relname = c.log || '_' || g.number
                   AND s.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $2)
             ORDER BY g.number) AS sizes,
       EXISTS (
           SELECT FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
           WHERE n.nspname = $2 AND p.proname = c.log AND p.prosrc LIKE '%ON CONFLICT DO NOTHING%'
       ) AS commits
FROM {registry}.captures AS c
WHERE c.project = $1
ORDER BY c.log

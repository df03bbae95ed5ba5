-- The logs of a project, and whether each is as it was made: its function, and three tables with these columns. Those that marts
-- are kept by as writers commit have an index on their first column.
SELECT c.schema, c.name, c.log, c.columns, c.types, c.logged, c.segment,
       EXISTS (
           SELECT FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
           WHERE n.nspname = $2 AND p.proname = c.log AND pg_catalog.md5(p.prosrc) = c.body AND p.prosecdef AND p.proconfig IS NULL
             AND pg_catalog.pg_has_role(p.proowner, 'USAGE')
       ) AS fills,
       ARRAY(
           SELECT s.relfilenode FROM generate_series(0, 2) AS g (number)
           LEFT JOIN pg_catalog.pg_class AS s
             ON s.relname = c.log || '_' || g.number AND s.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $2)
            AND s.relpersistence = CASE WHEN c.logged THEN 'p' ELSE 'u' END
           ORDER BY g.number
       ) = c.files AS whole,
       EXISTS (
           SELECT FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
           WHERE n.nspname = $2 AND p.proname = c.log AND p.prosrc LIKE '%ON CONFLICT DO NOTHING%'
       ) AS commits,
       NOT EXISTS (
           SELECT FROM generate_series(0, 2) AS g (number)
           WHERE NOT EXISTS (
               SELECT FROM pg_catalog.pg_class AS s
               JOIN pg_catalog.pg_index AS i ON i.indrelid = s.oid AND i.indisvalid AND i.indkey::text = '1' AND i.indpred IS NULL
               WHERE s.relname = c.log || '_' || g.number AND s.relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $2))
       ) AS indexed
FROM {registry}.captures AS c
WHERE c.project = $1
ORDER BY c.schema, c.name

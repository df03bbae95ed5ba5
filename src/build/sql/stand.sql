-- Where a mart stands, and all that must be as it was for what it missed to be what the logs say. The parameters: project, schema and
-- name of the relation that stores the rows; schemas and names of the sources with the functions that fill their logs; functions that
-- the query calls; views that it reads; the tables of the logs.
WITH RECURSIVE p AS MATERIALIZED (
  SELECT * FROM {registry}.positions AS p WHERE p.project = $1 AND p.schema = $2 AND p.name = $3),
source AS MATERIALIZED (
  -- One by one: joined, all relations of the database would be read for a few names.
  SELECT s.nth, s.schema, s.name, s.log,
         (SELECT c.oid FROM pg_catalog.pg_class AS c
          WHERE c.relname = s.name AND c.relnamespace = (SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname = s.schema)) AS oid,
         pg_catalog.to_regprocedure(pg_catalog.format('%I.%I()', {schema}::text, s.log))::oid AS function
  FROM unnest($4::text[], $5::text[], $6::text[]) WITH ORDINALITY AS s (schema, name, log, nth)),
member AS (
  SELECT s.nth, s.oid AS relation, false AS going FROM source AS s WHERE s.oid IS NOT NULL
  UNION ALL
  SELECT m.nth, i.inhrelid, m.going OR i.inhdetachpending
  FROM member AS m JOIN pg_catalog.pg_inherits AS i ON i.inhparent = m.relation),
above AS (
  SELECT s.nth, i.inhparent AS relation FROM source AS s JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = s.oid
  UNION ALL
  SELECT a.nth, i.inhparent FROM above AS a JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = a.relation),
{pending}
stand AS (
  SELECT pg_catalog.jsonb_build_object(
    'system', (SELECT c.system_identifier::text FROM pg_catalog.pg_control_system() AS c),
    'server', pg_catalog.concat_ws(' ', pg_catalog.current_setting('DateStyle'), pg_catalog.current_setting('IntervalStyle'),
                                   pg_catalog.current_setting('extra_float_digits'), pg_catalog.current_setting('bytea_output')),
    'mart', coalesce((
      SELECT c.oid || coalesce(pg_catalog.string_agg(
               pg_catalog.format(' %s:%s', pg_catalog.left(pg_catalog.md5(pg_catalog.pg_get_expr(x.relpartbound, x.oid)), 12), x.oid), '' ORDER BY x.oid) FILTER (WHERE x.oid IS NOT NULL), '')
      FROM pg_catalog.pg_class AS c
      LEFT JOIN pg_catalog.pg_inherits AS i ON i.inhparent = c.oid LEFT JOIN pg_catalog.pg_class AS x ON x.oid = i.inhrelid AND x.relispartition
      WHERE c.oid = pg_catalog.to_regclass(pg_catalog.format('%I.%I', $2, $3)) GROUP BY c.oid), ''),
    'functions', {functions},
    'views', {views},
    'sources', (
      SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
        'table', pg_catalog.format('%I.%I', s.schema, s.name),
        'relation', coalesce(s.oid::text, ''),
        'columns', (
          SELECT coalesce(pg_catalog.jsonb_agg(pg_catalog.concat_ws(' ', a.attnum, a.attname, a.atttypid, a.atttypmod, a.attcollation)
                                               ORDER BY a.attnum), '[]')
          FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = s.oid AND a.attnum > 0 AND NOT a.attisdropped),
        -- What values of its enumerations are called: another name is another text, and no row is written for it.
        'labels', (
          SELECT pg_catalog.md5(pg_catalog.string_agg(e.enumlabel, ',' ORDER BY e.oid))
          FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
          JOIN pg_catalog.pg_enum AS e ON e.enumtypid IN (t.oid, t.typbasetype, t.typelem)
          WHERE a.attrelid = s.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384),
        'members', m.members, 'files', m.files, 'triggers', m.triggers, 'noticed', m.noticed,
        'generation', (
          -- Of a log that no crash, and nobody by hand, has emptied or changed.
          SELECT c.generation FROM {registry}.captures AS c
          WHERE c.project = $1 AND c.schema = s.schema AND c.name = s.name
            AND (c.logged OR EXISTS (
              SELECT FROM {registry}.sentinels AS l
              WHERE l.project = c.project AND l.schema = c.schema AND l.name = c.name AND l.generation = c.generation))
            AND c.log = s.log AND c.body = (SELECT pg_catalog.md5(f.prosrc) FROM pg_catalog.pg_proc AS f WHERE f.oid = s.function)
            AND c.files = ARRAY(
              SELECT (SELECT g.relfilenode FROM pg_catalog.pg_class AS g
                      WHERE g.relname = c.log || '_' || i.number
                        AND g.relnamespace = (SELECT n.oid FROM pg_catalog.pg_namespace AS n WHERE n.nspname = {schema}))
              FROM generate_series(0, 2) AS i (number) ORDER BY i.number))) ORDER BY s.nth), '[]')
      FROM source AS s
      CROSS JOIN LATERAL (
        SELECT {members} AS members,
               coalesce(pg_catalog.string_agg(pg_catalog.pg_relation_filenode(m.relation)::text, ' ' ORDER BY m.relation), '') AS files,
               {triggers} AS triggers,
               -- Writes through what it is part of fire the triggers of that; those of a subscription fire none.
               coalesce(pg_catalog.bool_and(t.noticed AND NOT c.relrowsecurity), false)
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_subscription_rel AS u JOIN member AS x ON x.relation = u.srrelid WHERE x.nth = s.nth)
               AND NOT EXISTS (
                 SELECT FROM above AS a
                 WHERE a.nth = s.nth AND NOT EXISTS (
                   SELECT FROM pg_catalog.pg_trigger AS t
                   WHERE t.tgrelid = a.relation AND t.tgenabled = 'A' AND t.tgfoid = s.function)) AS noticed
        FROM member AS m
        JOIN pg_catalog.pg_class AS c ON c.oid = m.relation
        CROSS JOIN LATERAL (
          SELECT {triggers_of} AS triggers,
                 -- INSERT, DELETE, UPDATE and TRUNCATE, whoever writes.
                 coalesce(pg_catalog.bit_or(t.tgtype) FILTER (WHERE t.tgenabled = 'A'), 0) & 60 = 60 AS noticed
          FROM pg_catalog.pg_trigger AS t
          WHERE t.tgrelid = m.relation AND NOT t.tgisinternal AND t.tgfoid = s.function) AS t
        WHERE m.nth = s.nth) AS m)) AS stand)
SELECT pg_catalog.pg_current_snapshot()::text AS now_snapshot, pg_catalog.now() AS now_at, stand.stand AS now_stand,
       (SELECT pg_catalog.string_agg(coalesce(pg_catalog.pg_relation_filenode(pg_catalog.to_regclass(f.name))::text, '-'), ' ' ORDER BY f.nth)
        FROM unnest($9::text[]) WITH ORDINALITY AS f (name, nth)) AS files,
       -- What this transaction logged: the server counts it, whoever is to see it.
       (SELECT coalesce(pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_inserted(pg_catalog.to_regclass(f.name))), 0)::bigint
        FROM unnest($9::text[]) AS f (name)) AS own,
       p.snapshot::text AS snapshot, p.at, p.fingerprint, p.cost, p.rows, p.refreshes, p.verified, p.demoted,
       {planner}{columns}
FROM stand LEFT JOIN p ON true{joins}

-- What of a mart a run depends on, without a lock that anybody could keep from us; no row where it is no mart any more.
SELECT m.changed_at, c.oid::bigint AS oid, c.relkind::text AS relkind, pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
       c.relispopulated AS populated, c.relpages > 0 AS filled, c.relpages AS pages, c.reltuples::float8 AS tuples,
       ARRAY(SELECT concat_ws(' ', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'not null' END)
             FROM pg_catalog.pg_attribute AS a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns,
       -- Not as the server prints them: that takes a lock on the relation.
       ARRAY(SELECT concat_ws(' ', x.relname, CASE WHEN i.indisvalid THEN 'valid' END, CASE WHEN i.indisunique THEN 'unique' END,
                              CASE WHEN i.indisprimary THEN 'primary' END, CASE WHEN i.indpred IS NOT NULL THEN 'partial' END,
                              CASE WHEN i.indexprs IS NOT NULL THEN 'expressions' END,
                              (SELECT string_agg(a.attname, ' ' ORDER BY k.nth)
                               FROM unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) WITH ORDINALITY AS k(number, nth)
                               JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.number))
             FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
             WHERE i.indrelid = c.oid) AS indexes,
       EXISTS (SELECT FROM pg_catalog.pg_class AS x WHERE x.relnamespace = n.oid AND x.relname = $6) AS leftover,
       -- By this name it is read, wherever its rows are.
       EXISTS (SELECT FROM pg_catalog.pg_class AS x JOIN pg_catalog.pg_namespace AS s ON s.oid = x.relnamespace
               WHERE s.nspname = $2 AND x.relname = $3) AS published
FROM {registry}.marts AS m
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = $4
LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = $5
WHERE m.project = $1 AND m.schema = $2 AND m.name = $3 AND m.status <> 'dropped'

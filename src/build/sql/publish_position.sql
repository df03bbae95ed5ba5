-- Where the rows of a mart stand that are published by now, unless a log was emptied since: its files are others then. Reading the
-- logs keeps them from being emptied until this is committed.
INSERT INTO {registry}.positions (project, schema, name, snapshot, at, fingerprint, cost, rows, refreshes, verified, demoted)
SELECT $1, $2, $3, $4::pg_snapshot, $5,
       pg_catalog.jsonb_set($6::jsonb, '{mart}', pg_catalog.to_jsonb(coalesce((
       SELECT c.oid || coalesce(pg_catalog.string_agg(
                pg_catalog.format(' %s:%s', pg_catalog.left(pg_catalog.md5(pg_catalog.pg_get_expr(x.relpartbound, x.oid)), 12), x.oid), '' ORDER BY x.oid) FILTER (WHERE x.oid IS NOT NULL), '')
       FROM pg_catalog.pg_class AS c
       LEFT JOIN pg_catalog.pg_inherits AS i ON i.inhparent = c.oid LEFT JOIN pg_catalog.pg_class AS x ON x.oid = i.inhrelid AND x.relispartition
       WHERE c.oid = pg_catalog.to_regclass(pg_catalog.format('%I.%I', $2, $3)) GROUP BY c.oid), '')))::text,
       $7, $8, $9, $10, $11
WHERE $12 = (SELECT pg_catalog.string_agg(coalesce(pg_catalog.pg_relation_filenode(pg_catalog.to_regclass(f.name))::text, '-'), ' ' ORDER BY f.nth)
             FROM unnest($13::text[]) WITH ORDINALITY AS f (name, nth)){held}
ON CONFLICT (project, schema, name) DO UPDATE
SET snapshot = excluded.snapshot, xid = NULL, at = excluded.at, fingerprint = excluded.fingerprint, cost = excluded.cost,
    rows = excluded.rows, refreshes = excluded.refreshes, verified = excluded.verified, demoted = excluded.demoted

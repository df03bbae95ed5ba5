-- Where a mart's rows stand. What this transaction wrote to its sources before the look, they have seen. Where it wrote more since, as
-- by a trigger on the mart, all of it is looked at again.
INSERT INTO {registry}.positions (project, schema, name, snapshot, xid, at, fingerprint, cost, rows, refreshes, verified, demoted)
SELECT $1, $2, $3, $4::pg_snapshot,
       CASE WHEN pg_catalog.current_setting('track_counts')::boolean AND $12 = (
         SELECT coalesce(pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_inserted(pg_catalog.to_regclass(f.name))), 0)
         FROM unnest($13::text[]) AS f (name)) THEN pg_catalog.pg_current_xact_id_if_assigned() END,
       $5, $6, $7, $8, $9, $10, $11
ON CONFLICT (project, schema, name) DO UPDATE
SET snapshot = excluded.snapshot, xid = excluded.xid, at = excluded.at, fingerprint = excluded.fingerprint, cost = excluded.cost,
    rows = excluded.rows, refreshes = excluded.refreshes, verified = excluded.verified, demoted = excluded.demoted

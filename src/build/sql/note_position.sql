-- Where a mart's rows stand. What this transaction wrote to its sources before, they have seen.
INSERT INTO {registry}.positions (project, schema, name, snapshot, xid, at, fingerprint, cost, rows, refreshes, verified, demoted)
VALUES ($1, $2, $3, $4::pg_snapshot, pg_catalog.pg_current_xact_id_if_assigned(), $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (project, schema, name) DO UPDATE
SET snapshot = excluded.snapshot, xid = excluded.xid, at = excluded.at, fingerprint = excluded.fingerprint, cost = excluded.cost,
    rows = excluded.rows, refreshes = excluded.refreshes, verified = excluded.verified, demoted = excluded.demoted

-- The server's own functions of these names, and those that somebody made: the least that all of one name promise.
SELECT n.nspname::text AS schema, p.proname::text AS name,
       pg_catalog.max(CASE v.volatility WHEN 'v' THEN 'v' WHEN 's' THEN 's' ELSE 'i' END) AS volatility,
       pg_catalog.bool_or(p.proretset) AS set, pg_catalog.bool_or(p.prokind = 'a') AS aggregate,
       pg_catalog.array_agg(DISTINCT v.signature) AS signatures
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
LEFT JOIN pg_catalog.pg_aggregate a ON a.aggfnoid = p.oid
CROSS JOIN LATERAL (
  SELECT f.provolatile::text AS volatility, f.oid::regprocedure::text AS signature
    FROM pg_catalog.pg_proc f
   WHERE f.oid = p.oid OR f.oid IN (a.aggtransfn::oid, a.aggfinalfn::oid)
) AS v
WHERE (n.nspname = 'pg_catalog' AND p.proname = ANY ($1))
   OR (n.nspname, p.proname) IN (SELECT * FROM unnest($2::text[], $3::text[]))
GROUP BY 1, 2

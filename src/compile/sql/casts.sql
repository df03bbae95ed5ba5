-- The functions of casts that somebody made: a query does not name them, and where they are implicit no text shows them.
SELECT DISTINCT p.oid::regprocedure::text AS signature, p.provolatile::text AS volatility
FROM pg_catalog.pg_cast AS c
JOIN pg_catalog.pg_proc AS p ON p.oid = c.castfunc
WHERE c.oid >= 16384
ORDER BY 1

-- Of marts whose position was noted in this transaction: what it logged of their sources after their looks, their rows have not seen.
UPDATE {registry}.positions AS p SET xid = NULL
FROM (
  SELECT n.schema, n.name
  FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[]) AS n (schema, name, own, segment)
  GROUP BY n.schema, n.name, n.own
  HAVING n.own <> coalesce(pg_catalog.sum(pg_catalog.pg_stat_get_xact_tuples_inserted(pg_catalog.to_regclass(n.segment))), 0)) AS n
WHERE p.project = $1 AND p.schema = n.schema AND p.name = n.name AND p.xid = pg_catalog.pg_current_xact_id_if_assigned()

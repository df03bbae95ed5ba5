-- What relations take now with their indexes, by the folder they are in; no folder where the server does not say.
SELECT coalesce(
           nullif(pg_catalog.pg_tablespace_location(s.tablespace), ''),
           CASE WHEN pg_catalog.pg_has_role('pg_read_all_settings', 'USAGE') THEN pg_catalog.current_setting('data_directory') END
       ) AS folder,
       pg_catalog.sum(pg_catalog.pg_total_relation_size(s.oid))::bigint AS bytes
FROM (
    SELECT c.oid, coalesce(nullif(c.reltablespace, 0), d.dattablespace) AS tablespace
    FROM pg_catalog.unnest($1::text[]) AS n (name)
    CROSS JOIN LATERAL (SELECT pg_catalog.to_regclass(n.name) UNION SELECT relid FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass(n.name))) AS p (oid)
    JOIN pg_catalog.pg_class c ON c.oid = p.oid
    JOIN pg_catalog.pg_database d ON d.datname = pg_catalog.current_database()
) AS s
-- Over a socket: the server is on this machine.
WHERE pg_catalog.inet_server_addr() IS NULL
GROUP BY 1

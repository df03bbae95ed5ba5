-- What the last good run of a mart told of rows that are there still.
SELECT (SELECT r.newest FROM {registry}.refreshes AS r
        WHERE r.project = $1 AND r.schema = $2 AND r.mart = $3 AND r.status IN ('success', 'noop')
        ORDER BY r.run DESC LIMIT 1) AS newest,
       (SELECT coalesce(pg_catalog.sum(pg_catalog.pg_total_relation_size(t.relid)), pg_catalog.pg_total_relation_size(pg_catalog.to_regclass($4)))::bigint
        FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass($4)) AS t) AS bytes

-- What the last good run of a mart told of rows that are there still.
SELECT (SELECT r.newest FROM {registry}.refreshes AS r
        WHERE r.project = $1 AND r.schema = $2 AND r.mart = $3 AND r.status IN ('success', 'noop')
        ORDER BY r.run DESC LIMIT 1) AS newest,
       pg_catalog.pg_total_relation_size(pg_catalog.to_regclass($4)) AS bytes

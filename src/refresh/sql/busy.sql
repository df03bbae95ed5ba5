-- How busy the server is, as far as the role may see: the age of the oldest snapshot in transactions, the lag of the last
-- replica in seconds, other sessions at work.
SELECT greatest(
         (SELECT max(pg_catalog.age(a.backend_xmin)) FROM pg_catalog.pg_stat_activity AS a WHERE a.pid <> pg_catalog.pg_backend_pid()),
         (SELECT max(greatest(pg_catalog.age(s.xmin), pg_catalog.age(s.catalog_xmin))) FROM pg_catalog.pg_replication_slots AS s),
         (SELECT max(pg_catalog.age(p.transaction)) FROM pg_catalog.pg_prepared_xacts AS p),
         0)::bigint AS xmin_age,
       coalesce((SELECT max(extract(epoch FROM r.replay_lag)) FROM pg_catalog.pg_stat_replication AS r), 0)::float8 AS replica_lag,
       (SELECT count(*) FROM pg_catalog.pg_stat_activity AS a
        WHERE a.state = 'active' AND a.backend_type = 'client backend' AND a.pid <> pg_catalog.pg_backend_pid()) AS active

SELECT has_its_oid('w') AND has_its_oid('of_t');
SELECT pg_get_viewdef('w'::regclass) LIKE '%new.day%FROM (new%JOIN t2%' OR pg_get_viewdef('w'::regclass) LIKE '%FROM (new%JOIN t2%';

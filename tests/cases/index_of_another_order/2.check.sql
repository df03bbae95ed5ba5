SELECT is_kept('w');
SELECT has_its_oid('w');
SELECT (SELECT (oid, node) FROM was) = ('a'::regclass::oid, pg_relation_filenode('a'));
SELECT pg_get_indexdef('a_key'::regclass) LIKE '%(category, day)';

SELECT is_kept('days');
SELECT has_its_oid('days');

SELECT is_kept('w');
SELECT is_kept('mv');
SELECT has_its_oid('w');
SELECT has_its_oid('mv');

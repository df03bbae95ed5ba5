SELECT is_kept('theirs');
SELECT is_kept('mv');
SELECT has_its_oid('theirs');
SELECT has_its_oid('mv');

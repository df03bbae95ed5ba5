SELECT is_kept('theirs.v');
SELECT has_its_oid('theirs.v');

SELECT is_kept('theirs.v');
SELECT is_kept('theirs.mv');
SELECT has_its_oid('theirs.v');

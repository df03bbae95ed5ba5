SELECT is_kept('star');
SELECT is_kept('whole');
SELECT is_kept('over_ours');
SELECT is_kept('stored');
SELECT has_its_oid('star');
SELECT has_its_oid('whole');
SELECT has_its_oid('over_ours');

SELECT is_kept('hollow');
SELECT is_kept('over_hollow');
SELECT has_its_oid('over_hollow');

SELECT is_kept('w');
SELECT is_kept('beyond');
SELECT has_its_oid('w');
SELECT has_its_oid('beyond');

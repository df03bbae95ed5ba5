SELECT is_kept('v');
SELECT is_kept('w');
SELECT has_its_oid('v');
SELECT has_its_oid('w');
SELECT x = 1 FROM c;

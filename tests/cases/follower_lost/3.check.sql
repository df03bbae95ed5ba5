SELECT is_kept('fine');
SELECT has_its_oid('fine');
SELECT to_regclass('broken') IS NULL AND to_regclass('below') IS NULL;

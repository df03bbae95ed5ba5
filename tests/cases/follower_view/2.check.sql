SELECT is_kept('w');
SELECT is_kept('beyond');
SELECT has_its_oid('w');
SELECT has_its_oid('beyond');
SELECT (SELECT sum(total) FROM w) = (SELECT sum(amount) FROM orders WHERE id > 10);
SELECT NOT EXISTS (SELECT FROM datamart.marts WHERE name IN ('w', 'beyond'));

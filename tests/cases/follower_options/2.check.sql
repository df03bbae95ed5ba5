SELECT is_kept('barrier');
SELECT is_kept('checked');
SELECT is_kept('cascaded');
SELECT has_its_oid('barrier');
SELECT has_its_oid('checked');
SELECT has_its_oid('cascaded');

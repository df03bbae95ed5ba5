SELECT is_kept('"Other ""Team"""."Their View"');
SELECT is_kept('"Other ""Team"""."Their Rows"');
SELECT has_its_oid('"Other ""Team"""."Their View"');

SELECT count(*) = 200 FROM fields;
SELECT has_table_privilege('public', 'rows', 'SELECT');

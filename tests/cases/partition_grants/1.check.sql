SELECT count(*) = 0 FROM pg_class c, aclexplode(c.relacl) AS g WHERE c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'sales'::regclass) AND g.grantee <> c.relowner;
SELECT has_table_privilege(current_database() || '_reader', 'sales', 'SELECT') AND NOT has_table_privilege(current_database() || '_other', 'sales', 'SELECT');

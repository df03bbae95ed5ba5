SELECT has_table_privilege('{db}_ops', 'public.v', 'SELECT');

SELECT NOT has_table_privilege('{db}_ops', 'mart.b', 'SELECT') AND NOT has_table_privilege('{db}_bi', 'mart.b', 'SELECT');

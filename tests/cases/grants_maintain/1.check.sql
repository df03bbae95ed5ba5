SELECT has_table_privilege('{db}_ops', 'm', 'MAINTAIN');
SELECT NOT has_table_privilege('{db}_etl', 'm', 'MAINTAIN');

SELECT EXISTS (SELECT FROM pg_namespace AS n WHERE n.nspname = $1) AS has_schema,
       EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
               WHERE n.nspname = $1 AND c.relname = 'meta' AND c.relkind = 'r') AS has_meta,
       (SELECT d.oid::bigint FROM pg_database AS d WHERE d.datname = current_database()) AS database_oid,
       -- What a mart's owner may keep for itself begins with an underscore or is a log; those are not read to look.
       NOT EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                   WHERE n.nspname = $1 AND c.relkind IN ('r', 'v') AND c.relname !~ '^(_|changes_|commits_)'
                     AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_any_column_privilege(c.oid, 'SELECT'))) AS may_read,
       current_user::text AS role,
       current_setting('server_version_num')::int / 10000 AS server_major,
       has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS may_identify

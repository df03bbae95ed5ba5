SELECT m.format, m.system_identifier, m.database_oid::bigint AS database_oid, m.database_name, m.server_major,
       m.created_at, m.created_by, {system_identifier} AS live_identifier
FROM {registry}.meta AS m

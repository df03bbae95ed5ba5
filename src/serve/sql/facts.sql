-- What a read of rows needs to know: whether the mart is ours and applied, who owns it and whether we may be that role, and what
-- its rows have been since.
SELECT m.status, m.changed_at::text AS changed, c.oid::bigint AS oid, pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
       pg_catalog.pg_get_userbyid(c.relowner) <> current_user
       AND CASE WHEN pg_catalog.current_setting('server_version_num')::int >= 160000
                THEN pg_catalog.pg_has_role(c.relowner, 'SET') ELSE pg_catalog.pg_has_role(c.relowner, 'MEMBER') END AS become,
       (SELECT max(r.run) FROM {registry}.refreshes AS r
        WHERE r.project = $1 AND r.schema = $2 AND r.mart = $3 AND r.status IN ('success', 'noop')) AS run
FROM {registry}.marts AS m
LEFT JOIN pg_catalog.pg_namespace AS n ON n.nspname = m.schema
LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = m.name
WHERE m.project = $1 AND m.schema = $2 AND m.name = $3 AND m.status <> 'dropped'

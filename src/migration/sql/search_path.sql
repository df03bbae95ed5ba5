-- The search path that this role's sessions get in this database; ours have one of their own.
SELECT COALESCE(
  (SELECT substr(setting, 13)
     FROM pg_catalog.pg_db_role_setting s, unnest(s.setconfig) AS setting
    WHERE setting LIKE 'search\_path=%'
      AND s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
      AND s.setrole IN (0, (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user))
    ORDER BY s.setrole = 0, s.setdatabase = 0 LIMIT 1),
  (SELECT boot_val FROM pg_catalog.pg_settings WHERE name = 'search_path')) AS path

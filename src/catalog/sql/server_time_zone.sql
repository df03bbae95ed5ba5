-- The time zone of the server's configuration.
SELECT setting AS zone FROM pg_catalog.pg_file_settings WHERE lower(name) = 'timezone' AND applied ORDER BY seqno DESC LIMIT 1

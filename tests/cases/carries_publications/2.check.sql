SELECT (SELECT count(*) FROM was0) > 0 AND NOT EXISTS (TABLE was0 EXCEPT (SELECT pubname || schemaname || tablename AS fact FROM pg_publication_tables)) AND NOT EXISTS ((SELECT pubname || schemaname || tablename AS fact FROM pg_publication_tables) EXCEPT TABLE was0);
SELECT count(*) = 2 FROM pg_publication_rel WHERE prrelid = 't'::regclass;

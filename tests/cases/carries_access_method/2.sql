CREATE ACCESS METHOD {db}_heap TYPE TABLE HANDLER heap_tableam_handler; CREATE TABLE copy USING {db}_heap AS TABLE t; DROP TABLE t; ALTER TABLE copy RENAME TO t; ALTER TABLE t ADD PRIMARY KEY (id); ALTER TABLE t SET UNLOGGED;
CREATE TABLE was0 AS SELECT amname || relpersistence::text AS fact FROM pg_class c JOIN pg_am a ON a.oid = relam WHERE c.oid = 't'::regclass;

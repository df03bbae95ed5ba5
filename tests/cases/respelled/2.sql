CREATE TABLE mark AS SELECT pg_relation_filenode('a') AS a, pg_relation_filenode('t') AS t;

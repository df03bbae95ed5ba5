CREATE TABLE before AS SELECT oid, relname FROM pg_class WHERE relname IN ('a__next', 'c__next');

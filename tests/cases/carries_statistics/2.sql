CREATE SCHEMA kept; CREATE STATISTICS st ON day, category FROM t; ALTER STATISTICS st SET STATISTICS 300; COMMENT ON STATISTICS st IS 'of both';
CREATE STATISTICS kept."Some stats" (mcv, ndistinct) ON category, (amount * 2) FROM t; CREATE STATISTICS one ON (lower(category)) FROM t; ANALYZE t;
ALTER TABLE t ALTER COLUMN category SET STATISTICS 500; CREATE INDEX by_hand ON t ((amount * 3)); ALTER INDEX by_hand ALTER COLUMN 1 SET STATISTICS 700;
CREATE TABLE was0 AS SELECT pg_get_statisticsobjdef(oid) || coalesce(stxstattarget, -1) || coalesce(obj_description(oid, 'pg_statistic_ext'), '') AS fact FROM pg_statistic_ext;
CREATE TABLE was1 AS SELECT attrelid::regclass || attname::text || attstattarget AS fact FROM pg_attribute WHERE attrelid IN ('t'::regclass, 'by_hand'::regclass) AND attstattarget >= 0;

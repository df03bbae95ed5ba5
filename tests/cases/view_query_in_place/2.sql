GRANT SELECT ON sales TO {db}_r; CREATE TABLE mark AS SELECT 'sales'::regclass::oid AS o;

SELECT string_agg(version || ' ' || published, ', ' ORDER BY version) = '1 true, 2 false' FROM datamart.versions;
SELECT count(n) = 5 FROM sales_v2;
SELECT count(total) = 5 FROM reader

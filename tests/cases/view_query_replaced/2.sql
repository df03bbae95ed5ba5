GRANT SELECT ON sales, keeper TO {db}_r; COMMENT ON COLUMN sales.day IS 'by hand';

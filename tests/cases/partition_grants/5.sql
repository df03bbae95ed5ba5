GRANT SELECT ON sales_y2026_m04 TO "{db}_other";

GRANT SELECT, INSERT ON sales_y2026_m04, sales_y2026_m05 TO "{db}_other";

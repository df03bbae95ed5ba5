ALTER TABLE sales_y2026_m05 RENAME TO theirs;
CREATE TABLE sales_y2026_m09 (a int);

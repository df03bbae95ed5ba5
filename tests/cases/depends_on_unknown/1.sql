CREATE TABLE orders (id int);
CREATE SCHEMA raw;
CREATE TABLE raw."a.b" (id int);

CREATE TABLE orders (id int PRIMARY KEY);
CREATE TABLE returns (id int PRIMARY KEY);

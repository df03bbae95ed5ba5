CREATE TABLE orders (id int PRIMARY KEY, region text NOT NULL);

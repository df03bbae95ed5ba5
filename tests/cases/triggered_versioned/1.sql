CREATE TABLE orders (id int PRIMARY KEY, region text NOT NULL);
CREATE TABLE returns (id int PRIMARY KEY, region text NOT NULL);

CREATE TABLE src (id int, k int);
INSERT INTO src SELECT i, i % 4 FROM generate_series(1, 40) AS i;

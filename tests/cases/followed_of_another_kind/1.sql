CREATE TABLE src (k int, v int); INSERT INTO src SELECT g % 7, g FROM generate_series(1, 30) AS g;

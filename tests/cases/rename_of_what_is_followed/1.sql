CREATE TABLE src (a int, b int); INSERT INTO src SELECT g % 5, g FROM generate_series(1, 30) AS g;

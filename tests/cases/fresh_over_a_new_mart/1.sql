CREATE TABLE pt (a int, b int); INSERT INTO pt SELECT g % 5, g FROM generate_series(1, 30) AS g;

INSERT INTO kinds VALUES ('d', 'z');
INSERT INTO orders VALUES (6, 'd', 1);

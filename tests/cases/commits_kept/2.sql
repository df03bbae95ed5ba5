INSERT INTO orders VALUES (4, 'c', 7);
UPDATE orders SET kind = 'c' WHERE id = 2;

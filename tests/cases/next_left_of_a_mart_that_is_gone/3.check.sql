SELECT (SELECT sum(total) FROM c) = (SELECT sum(amount) FROM orders);
SELECT to_regclass('n') IS NULL;

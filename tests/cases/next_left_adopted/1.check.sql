SELECT (SELECT sum(total) FROM c) = (SELECT sum(amount) FROM orders);

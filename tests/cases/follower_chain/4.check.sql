SELECT (SELECT sum(more) FROM mv) = (SELECT sum(amount) + 30 FROM orders WHERE id < 100);

UPDATE orders SET day = date '0044-03-15 BC' WHERE id = 0 AND day > date '11000-01-01';

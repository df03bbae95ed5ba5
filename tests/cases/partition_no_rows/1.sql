CREATE TABLE orders (id int, day date, country text, amount numeric);

CREATE OR REPLACE VIEW v AS SELECT day, amount FROM orders WHERE amount > 5;

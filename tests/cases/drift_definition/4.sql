CREATE OR REPLACE VIEW v AS SELECT day, amount, id FROM orders;

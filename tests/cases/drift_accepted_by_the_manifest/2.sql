CREATE OR REPLACE VIEW v AS SELECT day, amount FROM orders WHERE amount > 1; COMMENT ON VIEW v IS 'w'; CREATE INDEX a_day_idx ON a (day);

ALTER TABLE orders ALTER COLUMN vat SET EXPRESSION AS (round(amount * 0.07, 2));

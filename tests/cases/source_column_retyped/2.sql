ALTER TABLE orders ALTER amount TYPE bigint;

ALTER TABLE orders ALTER region TYPE varchar(10);

CREATE VIEW broken AS SELECT day, total FROM a;

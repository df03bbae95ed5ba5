CREATE VIEW theirs AS SELECT a.total, b.best, b.category FROM a, b;

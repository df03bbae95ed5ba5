CREATE UNIQUE INDEX adhoc ON a (category, day) WHERE total > 0;

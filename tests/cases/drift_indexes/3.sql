CREATE INDEX adhoc ON a (category);

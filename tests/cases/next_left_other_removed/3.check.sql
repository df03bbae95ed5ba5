SELECT (SELECT sum(total) FROM c) = (SELECT sum(m) FROM (SELECT max(amount) AS m FROM orders GROUP BY day) AS o);
SELECT obj_description('c'::regclass) = 'by day';
SELECT obj_description('a'::regclass) IS NULL;

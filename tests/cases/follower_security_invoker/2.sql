{facts}
CREATE VIEW invoker WITH (security_invoker = true, security_barrier = true) AS SELECT id, amount FROM t;
CREATE VIEW retyped WITH (security_invoker = true) AS SELECT day FROM t; COMMENT ON VIEW retyped IS 'its column gets another type';
SELECT keep('invoker');

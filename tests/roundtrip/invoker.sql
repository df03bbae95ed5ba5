-- postgresql 15
-- Views that read with the rights of who asks.
CREATE SCHEMA s;
CREATE TABLE s.t (id int, a text);
CREATE VIEW s.invoker WITH (security_invoker) AS SELECT * FROM s.t;
CREATE VIEW s.invoker_false WITH (security_invoker = false) AS SELECT * FROM s.t;
CREATE VIEW s.all_three WITH (security_invoker = true, security_barrier = true) AS SELECT id, a FROM s.invoker WHERE id > 1 WITH CASCADED CHECK OPTION;
CREATE VIEW s.spelled WITH (security_invoker = 1, security_barrier = off) AS SELECT id FROM s.t;
CREATE MATERIALIZED VIEW s.distinct_nulls AS SELECT id, a FROM s.invoker;
CREATE UNIQUE INDEX ON s.distinct_nulls (id) NULLS NOT DISTINCT;
CREATE UNIQUE INDEX both_idx ON s.distinct_nulls (a, id DESC) INCLUDE (a) NULLS NOT DISTINCT WITH (fillfactor = 80) WHERE id IS NOT NULL;

-- extension pg_trgm
-- extension citext
-- extension hstore
-- extension pg_stat_statements
-- extension btree_gist
-- extension btree_gin
-- extension file_fdw
-- extension postgres_fdw
-- What extensions bring: functions, operators, types, access methods, foreign tables; their own views are theirs.
CREATE SCHEMA s;
CREATE SCHEMA "Ext s";
CREATE EXTENSION pg_trgm SCHEMA "Ext s";
CREATE EXTENSION citext SCHEMA public;
CREATE EXTENSION hstore SCHEMA "Ext s";
CREATE EXTENSION pg_stat_statements SCHEMA s;
CREATE EXTENSION btree_gist SCHEMA "Ext s";
CREATE EXTENSION btree_gin;
CREATE EXTENSION file_fdw;
CREATE EXTENSION postgres_fdw;
CREATE TABLE s.t (id int PRIMARY KEY, name text, mail public.citext, props "Ext s".hstore, a int, b int);
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE s."Foreign file" (line text, "No" int) SERVER files OPTIONS (filename '/dev/null', format 'csv');
CREATE SERVER "other db" FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '/nowhere', dbname 'x');
CREATE USER MAPPING FOR PUBLIC SERVER "other db" OPTIONS (user 'x');
CREATE FOREIGN TABLE s.far (id int, what varchar(5)) SERVER "other db" OPTIONS (table_name 'y');
CREATE VIEW s.similar AS SELECT name, "Ext s".similarity(name, 'x') AS score, name OPERATOR("Ext s".%) 'y' AS near, name OPERATOR("Ext s".<->) 'z' AS distance FROM s.t ORDER BY name OPERATOR("Ext s".<->) 'w';
CREATE VIEW s.mails AS SELECT mail, mail = 'X' AS same, mail IN ('a', 'B') AS one_of, 'C'::public.citext AS c, lower(mail) AS l, mail LIKE 'x%' AS m FROM s.t;
CREATE VIEW s.props AS SELECT props OPERATOR("Ext s".->) 'k' AS k, props OPERATOR("Ext s".?) 'a' AS has, '"a"=>"it''s"'::"Ext s".hstore AS h, e.key, e.value FROM s.t, "Ext s".each(t.props) AS e;
CREATE VIEW s.files AS SELECT line, "No" FROM s."Foreign file" WHERE "No" > 1;
CREATE MATERIALIZED VIEW s.files_stored AS SELECT line FROM s.files;
CREATE VIEW s.far_names AS SELECT what, count(*) FROM s.far WHERE what IN ('a', 'b') GROUP BY what;
CREATE VIEW s.statements AS SELECT queryid, calls FROM s.pg_stat_statements;
CREATE MATERIALIZED VIEW s.searchable AS SELECT id, name, mail, props, a, b, "Ext s".show_trgm(name) AS trigrams FROM s.t;
CREATE UNIQUE INDEX ON s.searchable (mail);
CREATE INDEX ON s.searchable USING gin (name "Ext s".gin_trgm_ops);
CREATE INDEX ON s.searchable USING gist (name "Ext s".gist_trgm_ops (siglen = '32'), a "Ext s".gist_int4_ops);
CREATE INDEX ON s.searchable USING gist (a, b);
CREATE INDEX ON s.searchable USING gin (a, trigrams);
CREATE INDEX ON s.searchable USING gin (props);
CREATE INDEX ON s.searchable USING btree (props "Ext s".btree_hstore_ops);

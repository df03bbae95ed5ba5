//! Everything that hangs on a table is there again after a refresh exchanged it.

use datamart::plan;
use datamart::refresh::{Method, RunStatus};

use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::{self, converge, refresh, refresh_options};

const ORDERS: &str = "CREATE TABLE orders (id int PRIMARY KEY, category text NOT NULL, amount numeric NOT NULL);
    INSERT INTO orders SELECT i, 'c' || i % 10, i FROM generate_series(1, 1000) AS i;";

const TABLE: &str = r#"
type = "table"
query = "SELECT id, category, amount FROM orders"
primary_key = ["id"]
"#;

/// All of it at once, on one table.
const EVERYTHING: &str = r#"
    CREATE ROLE {db}_bi; CREATE SCHEMA kept; CREATE TABLE log (what text);
    CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES (tg_name); RETURN NULL; END';
    CREATE TRIGGER "ON copy" AFTER UPDATE OF amount ON copy FOR EACH ROW WHEN (OLD.amount > 0) EXECUTE FUNCTION noted('ON copy');
    CREATE TRIGGER always AFTER INSERT ON copy EXECUTE FUNCTION noted(); ALTER TABLE copy ENABLE ALWAYS TRIGGER always;
    CREATE CONSTRAINT TRIGGER late AFTER DELETE ON copy DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION noted();
    ALTER TABLE copy DISABLE TRIGGER late; COMMENT ON TRIGGER late ON copy IS 'late';
    CREATE POLICY own ON copy AS RESTRICTIVE FOR SELECT TO {db}_bi USING (id IN (SELECT c.id FROM copy c WHERE c.amount > 1));
    CREATE POLICY every ON copy USING (true) WITH CHECK (amount > 0); COMMENT ON POLICY own ON copy IS 'own';
    ALTER TABLE copy ENABLE ROW LEVEL SECURITY; ALTER TABLE copy FORCE ROW LEVEL SECURITY;
    CREATE STATISTICS kept."Some stats" (mcv) ON id, category FROM copy; CREATE STATISTICS st ON (lower(category)) FROM copy;
    ALTER STATISTICS st SET STATISTICS 50; COMMENT ON STATISTICS st IS 'st'; ALTER STATISTICS st OWNER TO {db}_bi;
    ALTER TABLE copy ALTER category SET STATISTICS 200, ALTER category SET STORAGE EXTERNAL, ALTER category SET COMPRESSION pglz, ALTER id SET (n_distinct = -1);
    CREATE SEQUENCE ids OWNED BY copy.id; ALTER TABLE copy ALTER id SET DEFAULT nextval('ids'), ALTER category SET DEFAULT 'it''s';
    ALTER TABLE copy ADD CONSTRAINT positive CHECK (amount > 0), ADD CONSTRAINT later CHECK (id > 10) NOT VALID; COMMENT ON CONSTRAINT later ON copy IS 'later';
    ALTER TABLE copy ADD CONSTRAINT "one each" UNIQUE (category, id) INCLUDE (amount) DEFERRABLE, ADD CONSTRAINT apart EXCLUDE USING btree (id WITH =);
    COMMENT ON CONSTRAINT "one each" ON copy IS 'each'; COMMENT ON CONSTRAINT copy_pkey ON copy IS 'key'; COMMENT ON INDEX copy_pkey IS 'its index';
    CREATE TABLE categories (name text PRIMARY KEY); INSERT INTO categories SELECT DISTINCT category FROM orders;
    ALTER TABLE copy ADD CONSTRAINT known FOREIGN KEY (category) REFERENCES categories ON DELETE CASCADE, ADD CONSTRAINT itself FOREIGN KEY (id) REFERENCES copy;
    CREATE TABLE child (id int REFERENCES copy ON DELETE CASCADE DEFERRABLE, n int, CONSTRAINT unchecked CHECK (n > 0)); INSERT INTO child VALUES (7, 7), (NULL, 8);
    ALTER TABLE child ADD CONSTRAINT of_n FOREIGN KEY (n) REFERENCES copy NOT VALID; COMMENT ON CONSTRAINT of_n ON child IS 'of n';
    CREATE INDEX by_hand ON copy ((amount * 2)) WHERE amount > 0; ALTER INDEX by_hand ALTER COLUMN 1 SET STATISTICS 300; ALTER TABLE copy CLUSTER ON by_category;
    ALTER TABLE copy REPLICA IDENTITY USING INDEX by_category;
    CREATE RULE quiet AS ON DELETE TO copy WHERE OLD.id > (SELECT max(id) FROM copy) DO INSTEAD NOTHING; ALTER TABLE copy DISABLE RULE quiet; COMMENT ON RULE quiet ON copy IS 'quiet';
    CREATE PUBLICATION {db}_p FOR TABLE copy, orders;
    ALTER TABLE copy SET (toast.autovacuum_enabled = off);
    COMMENT ON TABLE copy IS 'a copy'; COMMENT ON COLUMN copy.amount IS 'net';
    GRANT SELECT ON copy TO {db}_bi WITH GRANT OPTION; GRANT UPDATE (amount) ON copy TO PUBLIC; REVOKE TRUNCATE, TRIGGER ON copy FROM CURRENT_USER;
    CREATE VIEW reader WITH (security_barrier) AS SELECT id FROM copy;
"#;

/// Everything the catalog says of the table, but for numbers of rows, pages, transactions and objects.
const FACTS: &str = r#"
SELECT string_agg(fact, E'\n' ORDER BY fact) FROM (
  SELECT 'class ' || (to_jsonb(c) - '{oid,reltype,relfilenode,relpages,reltuples,relallvisible,relallfrozen,reltoastrelid,relfrozenxid,relminmxid,relam,relacl,relnatts,relhasindex}'::text[])::text
         || (SELECT amname FROM pg_am a WHERE a.oid = relam) || coalesce(relacl, acldefault('r', relowner))::text || coalesce(obj_description(c.oid, 'pg_class'), '')
         || coalesce((SELECT t.reloptions::text FROM pg_class t WHERE t.oid = c.reltoastrelid), '')
  FROM pg_class c WHERE oid = 'copy'::regclass
  UNION ALL
  SELECT 'column ' || (to_jsonb(a) - '{attrelid,attcacheoff}'::text[])::text || coalesce(pg_get_expr(d.adbin, d.adrelid), '') || coalesce(col_description(attrelid, attnum), '')
  FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = attrelid AND d.adnum = attnum WHERE attrelid = 'copy'::regclass AND attnum > 0
  UNION ALL
  SELECT 'index ' || pg_get_indexdef(indexrelid) || (to_jsonb(i) - '{indexrelid,indrelid,indexprs,indpred,indcheckxmin}'::text[])::text || coalesce(obj_description(indexrelid, 'pg_class'), '')
         || (SELECT string_agg(coalesce(attstattarget, -1)::text, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = indexrelid)
  FROM pg_index i WHERE indrelid = 'copy'::regclass
  UNION ALL
  SELECT 'constraint ' || conrelid::regclass || ' ' || conname || contype::text || pg_get_constraintdef(oid) || convalidated || condeferrable || condeferred || conindid::regclass || coalesce(obj_description(oid, 'pg_constraint'), '')
  FROM pg_constraint WHERE 'copy'::regclass IN (conrelid, confrelid)
  UNION ALL
  SELECT 'trigger ' || pg_get_triggerdef(oid) || tgenabled::text || coalesce(obj_description(oid, 'pg_trigger'), '') FROM pg_trigger WHERE tgrelid = 'copy'::regclass AND NOT tgisinternal
  UNION ALL
  SELECT 'policy ' || to_jsonb(p)::text || coalesce((SELECT obj_description(o.oid, 'pg_policy') FROM pg_policy o WHERE o.polname = p.policyname), '') FROM pg_policies p
  UNION ALL
  SELECT 'statistics ' || pg_get_statisticsobjdef(oid) || stxowner::regrole || stxnamespace::regnamespace || coalesce(stxstattarget, -1) || coalesce(obj_description(oid, 'pg_statistic_ext'), '')
  FROM pg_statistic_ext WHERE stxrelid = 'copy'::regclass
  UNION ALL
  SELECT 'rule ' || pg_get_ruledef(oid) || ev_enabled::text || coalesce(obj_description(oid, 'pg_rewrite'), '') FROM pg_rewrite WHERE ev_class IN ('copy'::regclass, 'reader'::regclass)
  UNION ALL
  SELECT 'published ' || to_jsonb(p)::text FROM pg_publication_tables p
  UNION ALL
  SELECT 'sequence ' || pg_get_serial_sequence('copy', 'id') || (SELECT last_value FROM ids)
  UNION ALL
  SELECT 'reader ' || 'reader'::regclass::oid || (SELECT reloptions::text FROM pg_class WHERE oid = 'reader'::regclass)
) AS f (fact)"#;

async fn shop(manifest: &str, sql: &str) -> (Database, Folder) {
    let database = Database::new().await;
    database.script(ORDERS).await;
    let folder = Folder::of(&[("copy.toml", manifest)]);
    converge(&database, folder.path(), &plan::Options::default()).await;
    database.script(&sql.replace("{db}", &database.name)).await;
    (database, folder)
}

fn swapped(rest: &str) -> String {
    format!("{TABLE}publish = \"swap\"\n{rest}")
}

#[test]
fn the_catalog_says_the_same_after_a_swap() {
    run(async {
        let manifest = swapped(
            "columns = { category = { not_null = true } }\nwith = { fillfactor = 70 }\n[[indexes]]\nname = \"by_category\"\ncolumns = [\"category\", \"id\"]\nunique = true\n",
        );
        let (database, folder) = shop(&manifest, EVERYTHING).await;
        database.script("ANALYZE copy; UPDATE orders SET amount = amount + 1").await;
        let (before, oid) = (database.value(FACTS).await, database.value("SELECT 'copy'::regclass::oid").await);
        assert!(before.lines().count() >= 30, "{before}");
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        assert_eq!(runs[0].method, Some(Method::Swap), "{runs:#?}");
        assert_eq!(runs[0].reason, "publish = \"swap\"");
        assert_ne!(database.value("SELECT 'copy'::regclass::oid").await, oid);
        let after = database.value(FACTS).await;
        let diff = similar::TextDiff::from_lines(&before, &after);
        assert!(before == after, "{}", diff.unified_diff().context_radius(0));
        assert_eq!(database.value("SELECT count(*) FROM log").await, "0", "triggers saw the rows come in");
        assert_eq!(database.value("SELECT sum(amount) FROM copy").await, "501500");
        let stats = "SELECT count(*) FROM pg_statistic_ext_data";
        assert_eq!(database.value(stats).await, "2", "extended statistics are taken before the exchange");
        assert_eq!(database.value("SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_\\_next'").await, "0");
        // What was put back works.
        database.script("DELETE FROM copy WHERE id = 7; UPDATE copy SET amount = 5 WHERE id = 80").await;
        assert_eq!(database.value("SELECT count(*) FROM child WHERE id = 7").await, "0");
        assert_eq!(database.value("SELECT string_agg(what, ',') FROM log").await, "ON copy");
    });
}

#[test]
fn a_second_swap_finds_everything_again() {
    run(async {
        let manifest = swapped(
            "columns = { category = { not_null = true } }\n[[indexes]]\nname = \"by_category\"\ncolumns = [\"category\", \"id\"]\nunique = true\n",
        );
        let (database, folder) = shop(&manifest, EVERYTHING).await;
        let before = database.value(FACTS).await;
        for _ in 0..2 {
            database.script("UPDATE orders SET amount = amount + 1").await;
            let runs = refresh(&database, folder.path(), &refresh_options()).await;
            assert_eq!(runs[0].method, Some(Method::Swap), "{runs:#?}");
        }
        assert_eq!(database.value(FACTS).await, before);
    });
}

#[test]
fn default_privileges_do_not_open_a_swapped_table() {
    run(async {
        let sql = "CREATE ROLE {db}_spy; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {db}_spy; ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC;
                   GRANT INSERT ON copy TO {db}_spy; UPDATE orders SET amount = amount + 1";
        let (database, folder) = shop(&swapped(""), sql).await;
        let acl = "SELECT coalesce(relacl, acldefault('r', relowner)) FROM pg_class WHERE oid = 'copy'::regclass";
        let before = database.value(acl).await;
        let mut conn = database.session().await;
        let actual = project::actual(&mut conn, &project::load(folder.path())).await;
        let options = datamart::refresh::Options { defaults: actual.default_acls, ..refresh_options() };
        let runs = refresh(&database, folder.path(), &options).await;
        assert_eq!(runs[0].method, Some(Method::Swap), "{runs:#?}");
        assert_eq!(database.value(acl).await, before);
    });
}

#[test]
fn a_key_that_others_still_refer_to_is_merged() {
    run(async {
        let sql = "CREATE TABLE child (id int REFERENCES copy ON DELETE CASCADE); INSERT INTO child VALUES (7), (8); DELETE FROM orders WHERE id = 7";
        let (database, folder) = shop(&swapped(""), sql).await;
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        assert_eq!(runs[0].method, Some(Method::Merge), "{runs:#?}");
        assert_eq!(runs[0].reason, "rows that are gone are referred to by foreign key child_id_fkey of public.child");
        assert_eq!(database.value("SELECT string_agg(id::text, ',') FROM child").await, "8");
        // Without an action of its key, the reference holds the old rows.
        database.script("ALTER TABLE child DROP CONSTRAINT child_id_fkey, ADD FOREIGN KEY (id) REFERENCES copy; DELETE FROM orders WHERE id = 8").await;
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        assert_eq!(runs[0].status, RunStatus::Failed, "{runs:#?}");
        assert_eq!(database.value("SELECT count(*) FROM copy WHERE id = 8").await, "1");
    });
}

#[test]
fn what_is_replicated_is_merged_unless_a_swap_is_asked_for() {
    run(async {
        let sql = "CREATE PUBLICATION {db}_p FOR TABLE copy; UPDATE orders SET amount = amount + 1";
        let (database, folder) = shop(TABLE, sql).await;
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        assert_eq!(runs[0].method, Some(Method::Merge), "{runs:#?}");
        assert_eq!(runs[0].reason, format!("its rows are replicated: publication {}_p", database.name));
    });
}

#[test]
fn what_really_stands_against_a_swap_is_told() {
    run(async {
        let sql =
            "ALTER TABLE copy ALTER id ADD GENERATED BY DEFAULT AS IDENTITY; UPDATE orders SET amount = amount + 1";
        let (database, folder) = shop(&swapped(""), sql).await;
        let runs = refresh(&database, folder.path(), &refresh_options()).await;
        assert_eq!(runs[0].method, Some(Method::Merge), "{runs:#?}");
        let why =
            "not exchanged: identity of column id on public.copy would not follow to the relation that takes its place";
        assert_eq!(runs[0].reason, why);
    });
}

//! Logs of changes on a real server: every kind of write is logged, and none fails because of it.

use datamart::plan::{attach_log, create_log, detach_log, drop_log, poison_log};
use datamart::state::{ChangeLog, LoggedColumn, QName};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::support::database::{Database, major, run};

const LOG: &str = "datamart.changes_shop_public_orders";

const ORDERS: &str =
    "CREATE TABLE orders (id int PRIMARY KEY, region text, day date, amount numeric NOT NULL DEFAULT 0);";

fn log_of(table: &str, columns: &[(&str, &str)]) -> ChangeLog {
    let column = |(name, of): &(&str, &str)| LoggedColumn { name: (*name).into(), type_name: (*of).into() };
    ChangeLog {
        registry: "datamart".into(),
        project: "shop".into(),
        table: QName::new("public", table),
        columns: columns.iter().map(column).collect(),
        logged: false,
        commits: false,
    }
}

/// A table, with a log of these columns.
struct Logged {
    database: Database,
    conn: PgConnection,
    log: ChangeLog,
}

impl Logged {
    async fn new(seed: &str, columns: &[(&str, &str)]) -> Self {
        Self::of(seed, log_of("orders", columns), &["orders"]).await
    }

    async fn of(seed: &str, log: ChangeLog, tables: &[&str]) -> Self {
        let database = Database::new().await;
        let mut conn = database.session().await;
        datamart::database::registry::migrate(&mut conn, "datamart").await.expect("a registry");
        database.script(seed).await;
        database.script(&create_log(&log).join(";\n")).await;
        for table in tables {
            database.script(&attach_log(&log, &QName::new("public", *table)).join(";\n")).await;
        }
        sqlx::raw_sql("SET search_path = public").execute(&mut conn).await.expect("a setting");
        Self { database, conn, log }
    }

    async fn write(&mut self, sql: &str) {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.conn).await;
        done.unwrap_or_else(|error| panic!("{error}\nin {sql}"));
    }

    /// What was logged since the last time: the marks, or the columns.
    async fn logged(&mut self) -> String {
        let segments = self.log.segments();
        let all: Vec<String> = segments
            .iter()
            .map(|segment| {
                format!(
                    "SELECT coalesce(datamart_mark::text, (SELECT string_agg(coalesce(value, '-'), ' ' ORDER BY key COLLATE \"C\") FROM jsonb_each_text(to_jsonb(l) - 'datamart_xid' - 'datamart_mark')), '*') AS x FROM {segment} AS l"
                )
            })
            .collect();
        let found = format!(
            "SELECT coalesce(string_agg(x, ', ' ORDER BY x COLLATE \"C\"), '') FROM ({}) AS a",
            all.join(" UNION ALL ")
        );
        let found = self.database.value(&found).await;
        let names: Vec<String> = segments.iter().map(ToString::to_string).collect();
        self.database.script(&format!("TRUNCATE {}", names.join(", "))).await;
        found
    }

    async fn logs(&mut self, sql: &str, expected: &str) {
        self.write(sql).await;
        assert_eq!(self.logged().await, expected, "{sql}");
    }
}

#[test]
fn every_kind_of_write_is_logged() {
    run(async {
        let seed = format!(
            "{ORDERS} CREATE TABLE lines (id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE CASCADE ON UPDATE CASCADE);"
        );
        let mut orders = Logged::new(&seed, &[("region", "text"), ("day", "date")]).await;
        let day = "'2026-01-05'";
        orders
            .logs(
                &format!("INSERT INTO orders VALUES (1, 'a', {day}), (2, 'a', {day}), (3, NULL, NULL)"),
                "- -, 2026-01-05 a",
            )
            .await;
        orders.logs("INSERT INTO orders SELECT * FROM orders WHERE false", "").await;
        orders.logs("UPDATE orders SET region = 'b' WHERE id = 1", "2026-01-05 a, 2026-01-05 b").await;
        orders.logs("UPDATE orders SET amount = 5 WHERE id = 1", "2026-01-05 b").await;
        orders.logs("UPDATE orders SET amount = 5 WHERE id = 99", "").await;
        orders.logs("DELETE FROM orders WHERE id = 3", "- -").await;
        orders
            .logs(
                "INSERT INTO orders VALUES (2, 'c'), (4, 'd') ON CONFLICT (id) DO UPDATE SET region = excluded.region",
                "- d, 2026-01-05 a, 2026-01-05 c",
            )
            .await;
        orders.logs("INSERT INTO orders VALUES (2, 'e') ON CONFLICT DO NOTHING", "").await;
        if major() >= 15 {
            let merge = "MERGE INTO orders AS o USING (VALUES (1), (4), (5)) AS n (id) ON o.id = n.id
                         WHEN MATCHED AND o.id = 1 THEN UPDATE SET region = 'm' WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (n.id, 'n')";
            orders.logs(merge, "- d, - n, 2026-01-05 b, 2026-01-05 m").await;
        }
        orders.logs("WITH w AS (INSERT INTO orders VALUES (6, 'w') RETURNING id) SELECT * FROM w", "- w").await;
        orders.logs("BEGIN; INSERT INTO orders VALUES (7, 'x'); SAVEPOINT s; INSERT INTO orders VALUES (8, 'y'); ROLLBACK TO s; COMMIT", "- x").await;
        orders.logs("BEGIN; INSERT INTO orders VALUES (9, 'z'); ROLLBACK", "").await;
        orders.logs("SET session_replication_role = replica; DELETE FROM orders WHERE id = 7; RESET session_replication_role", "- x").await;
        let mut copy = orders.conn.copy_in_raw("COPY orders (id, region) FROM STDIN").await.expect("a copy");
        copy.send(b"20\tcopied\n21\tcopied\n".as_slice()).await.expect("rows");
        copy.finish().await.expect("the end");
        assert_eq!(orders.logged().await, "- copied");
        orders.logs("CREATE PUBLICATION everything FOR ALL TABLES; DELETE FROM orders WHERE id = 20; DROP PUBLICATION everything", "- copied").await;
        orders.logs("TRUNCATE orders, lines", "T").await;
        orders.logs("TRUNCATE orders CASCADE", "T").await;
    });
}

#[test]
fn what_a_foreign_key_does_is_logged() {
    run(async {
        let seed = "CREATE TABLE customers (id int PRIMARY KEY);
                    CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE ON UPDATE CASCADE);
                    INSERT INTO customers VALUES (1), (2); INSERT INTO orders VALUES (1, 1), (2, 1), (3, 2);";
        let mut orders = Logged::new(seed, &[("customer", "integer")]).await;
        orders.logs("UPDATE customers SET id = 7 WHERE id = 1", "1, 7").await;
        orders.logs("DELETE FROM customers WHERE id = 7", "7").await;
        orders.logs("TRUNCATE customers CASCADE", "T").await;
    });
}

#[test]
fn columns_that_move_never_fail_a_write() {
    run(async {
        let columns = [("region", "text"), ("day", "date"), ("amount", "numeric(10,2)"), ("mood", "public.mood")];
        let seed = format!("CREATE TYPE mood AS ENUM ('good'); {ORDERS} ALTER TABLE orders ADD mood mood;");
        let insert = |id: i32| format!("INSERT INTO orders (id) VALUES ({id})");
        for moved in [
            "ALTER TABLE orders RENAME region TO area",
            "ALTER TABLE orders DROP day",
            "ALTER TABLE orders ALTER region TYPE int USING 1",
            "ALTER TABLE orders ALTER day TYPE uuid USING NULL",
            "ALTER TABLE orders ALTER amount DROP DEFAULT, ALTER amount TYPE boolean USING true, ALTER amount SET DEFAULT true",
            "ALTER TABLE orders RENAME region TO was; ALTER TABLE orders RENAME was TO there; ALTER TABLE orders ADD region int",
        ] {
            let mut orders = Logged::new(&seed, &columns).await;
            // The session knows how it was.
            orders.logs(&insert(1), "0 - - -").await;
            orders.write("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await;
            orders.database.script(moved).await;
            orders.logs(&format!("{}; COMMIT", insert(2)), "P").await;
            orders.logs("UPDATE orders SET id = 3 WHERE id = 2", "P").await;
            orders.logs("DELETE FROM orders WHERE id = 99", "").await;
            orders.logs("DELETE FROM orders", "P").await;
        }
        // What is longer, or of another name, is the same still.
        let mut orders = Logged::new(&seed, &columns).await;
        orders.write("ALTER TABLE orders ALTER amount TYPE numeric(20, 4); ALTER TABLE orders RENAME TO renamed").await;
        orders
            .logs(
                "INSERT INTO renamed VALUES (1, 'a', '2026-01-05', 1234567890.1234)",
                "1234567890.1234 2026-01-05 - a",
            )
            .await;
        // The type goes with the columns of that type.
        orders.write("DROP TYPE mood CASCADE").await;
        orders.logs("INSERT INTO renamed VALUES (2)", "P").await;
    });
}

/// A mark is a row without values, which a domain may refuse.
#[test]
fn columns_of_domains_never_fail_a_write() {
    run(async {
        let seed = "CREATE DOMAIN whole AS numeric(12, 2) NOT NULL; CREATE DOMAIN price AS whole CHECK (VALUE > 0);
                    CREATE DOMAIN code AS varchar(10) NOT NULL; CREATE TABLE orders (code code PRIMARY KEY, price price);";
        let columns = [("code", "character varying(10)"), ("price", "numeric(12,2)")];
        let mut orders = Logged::new(seed, &columns).await;
        orders.logs("INSERT INTO orders VALUES ('a', 1), ('b', 2)", "a 1.00, b 2.00").await;
        orders.logs("UPDATE orders SET price = 3 WHERE code = 'a'", "a 1.00, a 3.00").await;
        orders.logs("DELETE FROM orders WHERE code = 'b'", "b 2.00").await;
        orders.logs("TRUNCATE orders", "T").await;
        orders.write("ALTER TABLE orders RENAME price TO cost").await;
        orders.logs("INSERT INTO orders VALUES ('c', 4)", "P").await;
        orders.write("ALTER TABLE orders RENAME cost TO price; ALTER TABLE orders ALTER price TYPE numeric").await;
        orders.logs("UPDATE orders SET price = 5", "c 4.00, c 5").await;
    });
}

#[test]
fn a_write_survives_the_end_of_the_log() {
    run(async {
        for damage in ["DROP TABLE {log}_0", "DROP SCHEMA datamart CASCADE", "ALTER TABLE {log}_0 RENAME TO other"] {
            let mut orders = Logged::new(ORDERS, &[("region", "text")]).await;
            orders.logs("INSERT INTO orders VALUES (1, 'a')", "a").await;
            orders.write(&damage.replace("{log}", LOG)).await;
            orders.write("INSERT INTO orders VALUES (2, 'b'); UPDATE orders SET region = 'c'; TRUNCATE orders").await;
        }
    });
}

#[test]
fn a_writer_needs_no_right_and_no_transaction_of_its_own() {
    run(async {
        let mut orders = Logged::new(ORDERS, &[("region", "text"), ("amount", "numeric")]).await;
        let clerk = format!("{}_clerk", orders.database.name);
        orders.write(&format!("CREATE ROLE {clerk}; GRANT INSERT ON orders TO {clerk}")).await;
        // Nothing that a writer makes is taken for PostgreSQL's own.
        orders
            .write(
                "CREATE SCHEMA evil; CREATE FUNCTION evil.never(text, text) RETURNS bool LANGUAGE sql AS 'SELECT false';
                 CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.never);
                 CREATE FUNCTION evil.pg_current_xact_id() RETURNS xid8 LANGUAGE sql AS $$SELECT '7'::xid8$$;",
            )
            .await;
        orders.write(&format!("GRANT USAGE ON SCHEMA evil TO {clerk}")).await;
        // 1.0 and 1.00 are equal, and not the same.
        let write = format!(
            "SET ROLE {clerk}; CREATE TEMP TABLE datamart_new (region int); SET search_path = evil, pg_catalog;
             INSERT INTO public.orders VALUES (1, 'a', NULL, 1.0), (2, 'a', NULL, 1.00); RESET ROLE; SET search_path = public"
        );
        orders.logs(&write, "1.0 a, 1.00 a").await;
        let many = "DO $$ BEGIN FOR i IN 10..1009 LOOP INSERT INTO public.orders VALUES (i, 'many'); END LOOP; END $$";
        orders.write(many).await;
        assert_eq!(
            orders
                .database
                .value(&format!("SELECT count(DISTINCT datamart_xid) || ' ' || count(*) FROM {LOG}_0"))
                .await,
            "1 1000"
        );
        let xids = "SELECT (SELECT max(xmax::text::bigint) FROM orders) = 0 AND (SELECT count(DISTINCT xmin::text) FROM orders WHERE region = 'many') = 1";
        assert_eq!(orders.database.value(xids).await, "true");
    });
}

#[test]
fn a_log_without_columns_has_a_row_for_a_statement() {
    run(async {
        let mut orders = Logged::new(ORDERS, &[]).await;
        orders.logs("INSERT INTO orders SELECT n, 'a' FROM generate_series(1, 5) AS n", "*").await;
        orders.logs("UPDATE orders SET region = 'b'; DELETE FROM orders WHERE id = 1", "*, *").await;
        orders.logs("TRUNCATE orders", "T").await;
    });
}

#[test]
fn writes_to_any_part_are_logged() {
    run(async {
        let seed = "CREATE TABLE orders (day date NOT NULL, region text) PARTITION BY RANGE (day);
            CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
            CREATE TABLE orders_2 (region text, gone int, day date NOT NULL); ALTER TABLE orders_2 DROP gone;
            ALTER TABLE orders ATTACH PARTITION orders_2 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');";
        let log = log_of("orders", &[("day", "date"), ("region", "text")]);
        let mut orders = Logged::of(seed, log, &["orders", "orders_1", "orders_2"]).await;
        orders
            .logs("INSERT INTO orders VALUES ('2026-01-05', 'a'), ('2026-02-05', 'b')", "2026-01-05 a, 2026-02-05 b")
            .await;
        orders.logs("INSERT INTO orders_2 VALUES ('c', '2026-02-06')", "2026-02-06 c").await;
        orders.logs("UPDATE orders SET day = '2026-02-07' WHERE region = 'a'", "2026-01-05 a, 2026-02-07 a").await;
        orders.logs("DELETE FROM orders_2 WHERE region = 'b'", "2026-02-05 b").await;
        orders.logs("TRUNCATE orders_1", "T").await;
        orders.write("TRUNCATE orders").await;
        assert!(orders.logged().await.starts_with('T'));
    });
}

#[test]
fn names_may_be_anything() {
    run(async {
        let odd = r#"o"dd $capture$ 'name"#;
        let quoted = r#""o""dd $capture$ 'name""#;
        let seed =
            format!(r#"CREATE TABLE {quoted} (same int, found text, tg_op date, "n" int, "mo ved""" int, old int)"#);
        let columns = [
            ("same", "integer"),
            ("found", "text"),
            ("tg_op", "date"),
            ("n", "integer"),
            ("mo ved\"", "integer"),
            ("old", "integer"),
        ];
        let mut log = Logged::of(&seed, log_of(odd, &columns), &[odd]).await;
        log.logs(&format!("INSERT INTO {quoted} VALUES (1, 'f', '2026-01-05', 2, 3, 4)"), "f 3 2 4 1 2026-01-05").await;
        log.logs(&format!("UPDATE {quoted} SET old = 5"), "f 3 2 4 1 2026-01-05, f 3 2 5 1 2026-01-05").await;
    });
}

#[test]
fn what_is_removed_leaves_no_trace() {
    run(async {
        let mut orders = Logged::new(ORDERS, &[("region", "text")]).await;
        let kept = "SELECT (SELECT count(*) FROM datamart.captures AS c JOIN datamart.sentinels AS s USING (project, schema, name, generation)
                             WHERE c.relation = 'orders'::regclass AND c.body = (SELECT md5(prosrc) FROM pg_proc WHERE proname = c.log)) || ' ' ||
                           (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal) || ' ' || (SELECT count(*) FROM pg_class WHERE relname LIKE 'changes\\_%')";
        assert_eq!(orders.database.value(kept).await, "1 4 3");
        orders.logs(&poison_log(&orders.log.clone()), "P").await;
        let table = orders.log.table.clone();
        orders.write(&[detach_log(&orders.log, &table), drop_log(&orders.log)].concat().join(";\n")).await;
        assert_eq!(orders.database.value(kept).await, "0 0 0");
        assert_eq!(orders.database.value("SELECT count(*) FROM pg_proc WHERE proname LIKE 'changes\\_%'").await, "0");
        orders.write("INSERT INTO orders VALUES (1)").await;
    });
}

//! From a manifest that says `fresh = true` to the view, and back.

use datamart::database::SqlError;
use datamart::plan::{self, Heal, Options};
use datamart::refresh::{self, Method, Run, RunStatus};
use sqlx::AssertSqlSafe;

use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::{self, converge, refresh_options};

const SEED: &str = "CREATE TABLE orders (id int PRIMARY KEY, region text, amount numeric NOT NULL, placed timestamptz NOT NULL DEFAULT '2026-03-01 23:30Z');
    CREATE INDEX ON orders (region);
    INSERT INTO orders SELECT n, (ARRAY['north', 'south', 'west', NULL])[n % 4 + 1], n FROM generate_series(1, 8) AS n;";

const QUERY: &str = "SELECT region, count(*) AS n, sum(amount) AS total FROM public.orders GROUP BY region";

fn manifest(query: &str, more: &str, refresh: &str) -> String {
    format!("type = \"table\"\nquery = \"{query}\"\n{more}\n[refresh]\n{refresh}\n")
}

struct Shop {
    database: Database,
    folder: Folder,
}

impl Shop {
    async fn of(manifest: &str) -> Self {
        Self::on(SEED, manifest).await
    }

    async fn on(seed: &str, manifest: &str) -> Self {
        let database = Database::new().await;
        database.script(seed).await;
        let shop = Self { database, folder: Folder::of(&[("sales.toml", manifest)]) };
        shop.applied().await;
        shop
    }

    /// A fresh mart.
    async fn fresh() -> Self {
        Self::of(&manifest(QUERY, "", "fresh = true")).await
    }

    async fn says(&self, manifest: &str) -> plan::Plan {
        self.folder.write("sales.toml", manifest);
        self.applied().await
    }

    async fn applied(&self) -> plan::Plan {
        let plan = converge(&self.database, self.folder.path(), &Options::default()).await;
        let again = self.planned().await;
        assert!(again.changes.is_empty() && again.drift.is_empty(), "{:#?}\n{:#?}", again.changes, again.drift);
        plan
    }

    async fn planned(&self) -> plan::Plan {
        let desired = project::load(self.folder.path());
        let mut conn = self.database.session().await;
        project::plan(&mut conn, &desired, &Options::default()).await.unwrap_or_else(|e| panic!("{e}"))
    }

    async fn refreshed(&self) -> Run {
        project::refresh(&self.database, self.folder.path(), &refresh_options()).await.remove(0)
    }

    /// Its rows, or what readers are given, beside its query.
    async fn verified(&self) -> Result<refresh::Verified, SqlError> {
        let desired = project::load(self.folder.path());
        let mut conn = self.database.session().await;
        let items = project::items(&mut conn, &desired).await;
        refresh::verify(&mut conn, &items[0], &refresh_options(), "postgres", None).await
    }

    async fn north(&self) -> String {
        self.database.value("SELECT n FROM sales WHERE region = 'north'").await
    }

    async fn script(&self, sql: &str) {
        self.database.script(sql).await;
    }

    async fn is_exact(&self) {
        let mut conn = self.database.session().await;
        for mart in project::load(self.folder.path()).marts {
            project::is_its_query(&mut conn, &mart.mart).await;
        }
    }

    /// Whether the view shows the rows that are stored: a wrong one, too.
    async fn reads_rows(&self) -> bool {
        let mut conn = self.database.session().await;
        sqlx::raw_sql("BEGIN; INSERT INTO public.sales_v1 (region, n) VALUES ('planted', -1)")
            .execute(&mut conn)
            .await
            .unwrap();
        let found = "SELECT count(*) FROM public.sales WHERE region = 'planted'";
        sqlx::query_scalar::<_, i64>(found).fetch_one(&mut conn).await.unwrap() == 1
    }
}

#[test]
fn a_fresh_mart_is_read_from_its_rows_and_what_changed() {
    run(async {
        let shop = Shop::fresh().await;
        // What the apply filled stands somewhere.
        assert!(shop.reads_rows().await);
        shop.script(
            "INSERT INTO orders VALUES (9, 'north', 1), (10, 'new', 2); DELETE FROM orders WHERE region = 'west'",
        )
        .await;
        assert_eq!(shop.north().await, "3");
        shop.is_exact().await;
        assert!(shop.reads_rows().await);
        let stored = "SELECT n FROM sales_v1 WHERE region = 'north'";
        assert_eq!(shop.database.value(stored).await, "2");
        let run = shop.refreshed().await;
        assert_eq!((run.status, run.method), (RunStatus::Success, Some(Method::Changes)), "{run:#?}");
        assert_eq!(shop.database.value(stored).await, "3");
        shop.is_exact().await;
        // Its query changes: another relation, filled before anybody reads it.
        shop.script("CREATE VIEW report AS SELECT sum(n) AS n FROM sales").await;
        shop.says(&manifest(&QUERY.replace("sum(amount)", "max(amount)"), "", "fresh = true")).await;
        shop.script("INSERT INTO orders VALUES (11, 'north', 99)").await;
        shop.is_exact().await;
        assert_eq!(shop.database.value("SELECT n FROM report").await, "9");
        assert_eq!(shop.database.value("SELECT to_regclass('sales_v1')").await, "NULL");
    });
}

#[test]
fn a_mart_becomes_fresh_and_what_reads_it_stays() {
    run(async {
        let shop = Shop::of(&manifest(QUERY, "", "strategy = \"incremental\"")).await;
        shop.script("CREATE VIEW report AS SELECT sum(n) AS n FROM sales; INSERT INTO orders VALUES (9, 'north', 1)")
            .await;
        assert_eq!((shop.north().await, shop.database.value("SELECT n FROM report").await), ("2".into(), "8".into()));
        shop.says(&manifest(QUERY, "", "fresh = true")).await;
        shop.script("INSERT INTO orders VALUES (10, 'north', 1)").await;
        assert_eq!((shop.north().await, shop.database.value("SELECT n FROM report").await), ("4".into(), "10".into()));
        shop.says(&manifest(QUERY, "", "strategy = \"incremental\"")).await;
        shop.script("INSERT INTO orders VALUES (11, 'north', 1)").await;
        assert_eq!((shop.north().await, shop.database.value("SELECT n FROM report").await), ("4".into(), "10".into()));
        shop.refreshed().await;
        assert_eq!(shop.north().await, "5");
    });
}

#[test]
fn versions_of_a_fresh_mart_stay_beside_it() {
    run(async {
        let versioned = |query: &str, refresh: &str| manifest(query, "versions = { keep = 2 }", refresh);
        let shop = Shop::of(&versioned(QUERY, "strategy = \"incremental\"")).await;
        let plan = shop.says(&versioned(QUERY, "fresh = true")).await;
        assert!(!plan.steps.iter().any(|step| step.sql.contains("CREATE TABLE public")), "{:#?}", plan.steps);
        shop.script("INSERT INTO orders VALUES (9, 'north', 1)").await;
        assert_eq!(shop.north().await, "3");
        shop.says(&versioned(&QUERY.replace("sum(amount)", "max(amount)"), "fresh = true")).await;
        shop.script("INSERT INTO orders VALUES (10, 'north', 1)").await;
        assert_eq!(shop.north().await, "4");
        assert_eq!(shop.database.value("SELECT n FROM sales_v1 WHERE region = 'north'").await, "2");
        let plain = versioned(&QUERY.replace("sum(amount)", "max(amount)"), "strategy = \"incremental\"");
        shop.says(&plain).await;
        assert_eq!(shop.north().await, "3");
    });
}

#[test]
fn another_view_of_that_name_is_drift() {
    run(async {
        let shop = Shop::fresh().await;
        shop.script("CREATE OR REPLACE VIEW sales AS SELECT * FROM sales_v1").await;
        let plan = shop.planned().await;
        let drift: Vec<(&str, &str)> = plan.drift.iter().map(|d| (d.address.as_str(), d.aspect.as_str())).collect();
        assert_eq!((drift, plan.changes.len()), (vec![("public.sales", "definition")], 0));
        converge(&shop.database, shop.folder.path(), &Options { heal: Heal::All, ..Options::default() }).await;
        let plan = shop.planned().await;
        assert!(plan.changes.is_empty() && plan.drift.is_empty(), "{plan:#?}");
        shop.script("INSERT INTO orders VALUES (9, 'north', 1)").await;
        assert_eq!(shop.north().await, "3");
    });
}

#[test]
fn its_owner_reads_the_logs_and_its_readers_nothing_else() {
    run(async {
        let database = Database::new().await;
        let (owner, reader) = (format!("{}_owner", database.name), format!("{}_reader", database.name));
        let grants = format!("GRANT ALL ON SCHEMA public TO {owner}; GRANT SELECT ON orders TO {owner}");
        database.script(&format!("{SEED} CREATE ROLE {owner}; CREATE ROLE {reader}; {grants}")).await;
        let more = format!("owner = \"{owner}\"\ngrants = [{{ role = \"{reader}\", privileges = [\"SELECT\"] }}]");
        let folder = Folder::of(&[("sales.toml", &manifest(QUERY, &more, "fresh = true"))]);
        let shop = Shop { database, folder };
        shop.applied().await;
        shop.script("INSERT INTO orders VALUES (9, 'north', 1)").await;
        let mut conn = shop.database.session().await;
        sqlx::raw_sql(AssertSqlSafe(format!("SET ROLE {reader}"))).execute(&mut conn).await.unwrap();
        let read = "SELECT n FROM public.sales WHERE region = 'north'";
        assert_eq!(sqlx::query_scalar::<_, i64>(read).fetch_one(&mut conn).await.unwrap(), 3);
        let all =
            ["public.orders", "public.sales_v2", "datamart.changes_default_public_orders_0", "datamart.positions"];
        for (role, tables) in [(&reader, &all[..]), (&owner, &["datamart.marts", "datamart.refreshes"])] {
            sqlx::raw_sql(AssertSqlSafe(format!("RESET ROLE; SET ROLE {role}"))).execute(&mut conn).await.unwrap();
            for table in tables.iter().filter(|table| !table.ends_with("_v2")) {
                let denied =
                    sqlx::raw_sql(AssertSqlSafe(format!("SELECT FROM {table}"))).execute(&mut conn).await.unwrap_err();
                assert!(denied.to_string().contains("permission denied"), "{denied}");
            }
        }
    });
}

#[test]
fn a_log_is_made_again_below_a_fresh_mart() {
    run(async {
        let shop = Shop::fresh().await;
        let by_day = "SELECT placed::date AS day, count(*) AS n FROM public.orders GROUP BY placed::date";
        shop.folder.write("days.toml", &manifest(by_day, "", "strategy = \"incremental\""));
        shop.applied().await;
        assert!(!shop.reads_rows().await);
        shop.script("INSERT INTO orders VALUES (9, 'north', 1)").await;
        assert_eq!(shop.north().await, "3");
        shop.refreshed().await;
        project::refresh(&shop.database, shop.folder.path(), &refresh_options()).await;
        assert!(shop.reads_rows().await);
        shop.is_exact().await;
        let gone = converge(
            &shop.database,
            Folder::of(&[("days.toml", &manifest(by_day, "", ""))]).path(),
            &Options { prune: true, ..Options::default() },
        )
        .await;
        assert_eq!(gone.summary.destroy, 1, "{:#?}", gone.changes);
        let left = "SELECT string_agg(c.relname, ' ') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'datamart' AND c.relname LIKE 'changes%'";
        assert_eq!(shop.database.value(left).await, "NULL");
        assert_eq!(shop.database.value("SELECT to_regclass('public.sales')").await, "NULL");
    });
}

#[test]
fn days_of_another_time_zone_are_not_those_that_are_stored() {
    run(async {
        let query = "SELECT date_trunc('day', placed) AS day, count(*) AS n FROM public.orders GROUP BY date_trunc('day', placed)";
        let shop = Shop::of(&manifest(query, "", "fresh = true")).await;
        let mut conn = shop.database.session().await;
        let mut read = async |zone: &str| {
            sqlx::raw_sql(AssertSqlSafe(format!("SET TimeZone = '{zone}'"))).execute(&mut conn).await.unwrap();
            sqlx::query_scalar::<_, String>("SELECT string_agg(day || ' ' || n, ', ') FROM public.sales")
                .fetch_one(&mut conn)
                .await
                .unwrap()
        };
        assert_eq!(read("UTC").await, "2026-03-01 00:00:00+00 8");
        assert_eq!(read("Asia/Tokyo").await, "2026-03-02 00:00:00+09 8");
        shop.script("INSERT INTO orders VALUES (9, 'north', 1)").await;
        assert_eq!(read("UTC").await, "2026-03-01 00:00:00+00 9");
        assert_eq!(read("Asia/Tokyo").await, "2026-03-02 00:00:00+09 9");
    });
}

#[test]
fn texts_of_another_style_are_not_those_that_are_stored() {
    run(async {
        let query =
            "SELECT (placed AT TIME ZONE 'UTC')::date::text AS day, count(*) AS n FROM public.orders GROUP BY 1";
        let shop = Shop::of(&manifest(query, "", "fresh = true")).await;
        shop.script("INSERT INTO orders VALUES (9, 'north', 1)").await;
        let mut conn = shop.database.session().await;
        let mut read = async |style: &str| {
            sqlx::raw_sql(AssertSqlSafe(format!("SET DateStyle = '{style}'"))).execute(&mut conn).await.unwrap();
            sqlx::query_scalar::<_, String>("SELECT string_agg(day || ' ' || n, ', ') FROM public.sales")
                .fetch_one(&mut conn)
                .await
                .unwrap()
        };
        assert_eq!(read("ISO, MDY").await, "2026-03-01 9");
        assert_eq!(read("German").await, "01.03.2026 9");
    });
}

#[test]
fn what_cannot_be_followed_cannot_be_fresh() {
    run(async {
        let database = Database::new().await;
        database
            .script(&format!(
                "{SEED} CREATE FUNCTION half(numeric) RETURNS numeric IMMUTABLE LANGUAGE sql AS 'SELECT $1 / 2'"
            ))
            .await;
        let query = QUERY.replace("sum(amount)", "sum(public.half(amount))");
        let folder = Folder::of(&[("sales.toml", &manifest(&query, "", "fresh = true"))]);
        let desired = project::load(folder.path());
        let mut conn = database.session().await;
        let error = project::plan(&mut conn, &desired, &Options::default()).await.unwrap_err();
        assert!(
            format!("{error:?}").contains("calls public.half(numeric), and a view calls it with the rights"),
            "{error:?}"
        );
    });
}

#[test]
fn a_source_that_was_emptied_is_no_difference() {
    run(async {
        let shop = Shop::fresh().await;
        shop.script("TRUNCATE orders; INSERT INTO orders VALUES (1, 'north', 7)").await;
        let found = shop.verified().await.expect("it is there");
        assert!(found.same && found.rows == 1 && found.pending_keys.is_none(), "{found:#?}");
        shop.refreshed().await;
        shop.script("UPDATE sales_v1 SET total = 8").await;
        assert!(!shop.verified().await.expect("it is there").same);
    });
}

/// What happens to the parts of a source, and whether nobody but an apply makes the rows readable again.
const PARTS: &[(&str, &str, bool)] = &[
    ("one comes with rows", "ALTER TABLE orders ATTACH PARTITION more FOR VALUES FROM (100) TO (200)", true),
    ("one leaves", "ALTER TABLE orders DETACH PARTITION second", false),
    (
        "one has another bound",
        "ALTER TABLE orders DETACH PARTITION second; ALTER TABLE orders ATTACH PARTITION second FOR VALUES FROM (5) TO (90)",
        false,
    ),
    ("one is not logged", "ALTER TABLE second DISABLE TRIGGER USER; UPDATE second SET amount = 5", true),
    (
        "one logs again what it did not",
        "ALTER TABLE second DISABLE TRIGGER USER; DELETE FROM second;
         ALTER TABLE second ENABLE ALWAYS TRIGGER datamart_changes_default_public_orders_insert,
           ENABLE ALWAYS TRIGGER datamart_changes_default_public_orders_update,
           ENABLE ALWAYS TRIGGER datamart_changes_default_public_orders_delete,
           ENABLE ALWAYS TRIGGER datamart_changes_default_public_orders_truncate",
        false,
    ),
];

#[test]
fn parts_that_came_or_went_or_are_not_logged_are_read() {
    let seed = "CREATE TABLE orders (id int, region text, amount numeric NOT NULL, placed timestamptz) PARTITION BY RANGE (id);
        CREATE TABLE first PARTITION OF orders FOR VALUES FROM (0) TO (5);
        CREATE TABLE second PARTITION OF orders FOR VALUES FROM (5) TO (100);
        CREATE TABLE more (LIKE orders);
        INSERT INTO more VALUES (100, 'north', 9), (101, 'east', 10);
        INSERT INTO orders SELECT n, (ARRAY['north', 'south', 'west', NULL])[n % 4 + 1], n FROM generate_series(1, 8) AS n;";
    run(async {
        for (what, happens, applies) in PARTS {
            let shop = Shop::on(seed, &manifest(QUERY, "", "fresh = true")).await;
            shop.script("UPDATE second SET amount = 1").await;
            assert!(shop.reads_rows().await, "{what}");
            shop.script(happens).await;
            shop.is_exact().await;
            if *applies {
                shop.refreshed().await;
                assert!(!shop.reads_rows().await, "{what}");
                converge(&shop.database, shop.folder.path(), &Options { heal: Heal::All, ..Options::default() }).await;
            }
            shop.refreshed().await;
            assert!(shop.reads_rows().await, "{what}");
            shop.is_exact().await;
        }
        let shop = Shop::fresh().await;
        shop.script("CREATE TABLE heirs () INHERITS (orders); INSERT INTO heirs VALUES (9, 'north', 5)").await;
        assert!(!shop.reads_rows().await);
        shop.is_exact().await;
    });
}

#[test]
fn rows_that_nobody_can_read_are_told() {
    run(async {
        let shop = Shop::fresh().await;
        shop.script("DROP VIEW sales").await;
        let told = "public.sales is not there, only its rows, public.sales_v1";
        assert_eq!(shop.verified().await.expect_err("nobody reads it").message, told);
        let run = shop.refreshed().await;
        assert_eq!((run.status, run.error.map(|error| error.message)), (RunStatus::Failed, Some(told.to_owned())));
        shop.applied().await;
        assert_eq!(shop.refreshed().await.status, RunStatus::Noop);
        assert!(shop.verified().await.expect("it is there").same);
    });
}

//! Partitioned marts whose partitions are told by what their sources logged.

use datamart::compile::{CompileError, compile};
use datamart::plan;
use datamart::refresh::{Method, Run, RunStatus};

use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::{self, converge, refresh, refresh_options};

/// A year of orders up to today, some of each day.
const ORDERS: &str = "CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, day date, country text, amount numeric NOT NULL);
    INSERT INTO orders (day, country, amount)
    SELECT current_date - d, (ARRAY['DE', 'FR', 'US'])[1 + d % 3], d FROM generate_series(0, 364) AS d, generate_series(1, 3);
    ANALYZE orders;";

const BY_DAY: &str = "SELECT day, country, count(*) AS n, sum(amount) AS amount FROM orders GROUP BY 1, 2";
const MONTHS: &str = "by = \"range\"\ncolumn = \"day\"\ninterval = \"1 month\"";
const KEY: &str = "primary_key = [\"day\", \"country\"]";

struct Shop {
    database: Database,
    folder: Folder,
}

impl Shop {
    async fn of(seed: &str, query: &str, partition: &str, key: &str, incremental: &str) -> Self {
        let database = Database::new().await;
        database.script(seed).await;
        let manifest = format!(
            "type = \"partitioned_table\"\nquery = \"\"\"{query}\"\"\"\n{key}\n[partition]\n{partition}\n\
             [refresh]\nstrategy = \"incremental\"\n[refresh.incremental]\n{incremental}\n"
        );
        let folder = Folder::of(&[("sales.toml", &manifest)]);
        converge(&database, folder.path(), &plan::Options::default()).await;
        let shop = Self { database, folder };
        // The tests plan as if it were another day: the partitions of this one come with the first refresh.
        let first = shop.refreshed().await;
        assert!(matches!(first.status, RunStatus::Noop | RunStatus::Success), "{first:#?}");
        shop
    }

    /// By months.
    async fn new(method: &str) -> Self {
        Self::of(ORDERS, BY_DAY, MONTHS, KEY, &format!("method = \"{method}\"")).await
    }

    async fn refreshed(&self) -> Run {
        refresh(&self.database, self.folder.path(), &refresh_options()).await.remove(0)
    }

    async fn after(&self, sql: &str) -> Run {
        self.database.script(sql).await;
        self.refreshed().await
    }

    /// The leaves, and their numbers.
    async fn leaves(&self) -> Vec<String> {
        let leaves = "SELECT string_agg(inhrelid::regclass || '=' || inhrelid, ' ' ORDER BY inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'sales'::regclass";
        self.database.value(leaves).await.split(' ').map(str::to_owned).collect()
    }

    /// Panics unless the rows are those of the query, and nothing is left of a build.
    async fn is_exact(&self) {
        let desired = project::load(self.folder.path());
        let mut conn = self.database.session().await;
        project::is_its_query(&mut conn, &desired.marts[0].mart).await;
        assert_eq!(
            self.database.value("SELECT count(*) FROM pg_class WHERE relname ~ '__next|datamart_bound'").await,
            "0"
        );
        let plan = project::plan(&mut conn, &desired, &plan::Options::default()).await.expect("a plan");
        assert!(plan.changes.is_empty() && plan.drift.is_empty(), "{:#?} {:#?}", plan.changes, plan.drift);
    }

    async fn decision(&self, key: &str) -> String {
        self.database
            .value(&format!(
                "SELECT coalesce(decision ->> '{key}', '') FROM datamart.refreshes ORDER BY run DESC LIMIT 1"
            ))
            .await
    }
}

/// How many leaves are not what they were.
fn changed(before: &[String], after: &[String]) -> usize {
    after.iter().filter(|leaf| !before.contains(leaf)).count()
}

fn went(run: &Run, method: Method, reason: &str) {
    assert_eq!((run.status, run.method), (RunStatus::Success, Some(method)), "{run:#?}");
    assert!(run.reason.contains(reason), "{}", run.reason);
}

#[test]
fn changes_are_written_within_partitions() {
    run(async {
        let shop = Shop::new("changes").await;
        let before = shop.leaves().await;
        let some = shop.after("UPDATE orders SET amount = 1000 WHERE day IN (current_date, current_date - 100); DELETE FROM orders WHERE day = current_date - 200").await;
        went(&some, Method::Changes, "3 keys after ");
        assert_eq!((some.rows_inserted, some.rows_updated, some.rows_deleted), (Some(0), Some(2), Some(1)));
        assert_eq!(some.row_count, Some(364));
        assert_eq!((shop.decision("rung").await, shop.decision("partitions").await), ("keys".into(), "3".into()));
        assert_eq!(changed(&before, &shop.leaves().await), 0);
        shop.is_exact().await;
        // From one partition into another.
        went(
            &shop.after("UPDATE orders SET day = day - 60 WHERE day = current_date - 30").await,
            Method::Changes,
            "keys after ",
        );
        shop.is_exact().await;
        assert_eq!(shop.refreshed().await.status, RunStatus::Noop);
    });
}

/// Of large partitions the rows that leave are counted while the next ones are computed.
#[test]
fn rows_of_large_partitions_are_counted() {
    run(async {
        let orders = "CREATE TABLE orders (id int PRIMARY KEY, day date NOT NULL, amount int NOT NULL);
            INSERT INTO orders SELECT n, current_date - n % 120, n FROM generate_series(1, 120000) AS n; ANALYZE orders";
        let query = "SELECT id, day, amount FROM orders";
        let shop = Shop::of(orders, query, MONTHS, "primary_key = [\"id\", \"day\"]", "method = \"partition\"").await;
        let less = shop.after("DELETE FROM orders WHERE day = current_date - 60 AND id > 1000").await;
        went(&less, Method::Partition, "1 partition touched by ");
        assert_eq!(less.row_count, Some(119_008));
        shop.is_exact().await;
        let more =
            shop.after("INSERT INTO orders SELECT -n, current_date - 60, n FROM generate_series(1, 500) AS n").await;
        assert_eq!(more.row_count, Some(119_508));
        shop.is_exact().await;
        // The bounds of what was built are those of its partition alone.
        assert_eq!(
            shop.database.value("SELECT count(*) FROM pg_constraint WHERE conname = 'datamart_bound'").await,
            "0"
        );
    });
}

/// Rows without a partition get one, whatever the method.
#[test]
fn what_has_no_partition_gets_one() {
    run(async {
        for method in ["changes", "partition"] {
            let shop = Shop::new(method).await;
            let before = shop.leaves().await;
            let far = shop.after("INSERT INTO orders (day, country, amount) VALUES (current_date + 400, 'DE', 1), (current_date - 600, 'DE', 1)").await;
            went(&far, Method::Partition, "partition");
            assert_eq!(far.row_count, Some(367));
            let after = shop.leaves().await;
            assert!(before.iter().all(|leaf| after.contains(leaf)) && after.len() > before.len(), "{method}");
            shop.is_exact().await;
            assert_eq!(shop.refreshed().await.status, RunStatus::Noop);
            shop.after("UPDATE orders SET amount = 2 WHERE day > current_date + 300").await;
            shop.is_exact().await;
        }
    });
}

#[test]
fn the_log_tells_which_partitions_are_computed() {
    run(async {
        let shop = Shop::new("partition").await;
        let before = shop.leaves().await;
        let some = shop
            .after(
                "UPDATE orders SET amount = 1000 WHERE day IN (current_date, current_date - 100, current_date - 200)",
            )
            .await;
        went(&some, Method::Partition, "3 partitions touched by ");
        assert!(some.reason.ends_with("3 of 3 partitions differ"), "{}", some.reason);
        assert_eq!((shop.decision("rung").await, shop.decision("partitions").await), ("partitions".into(), "3".into()));
        assert_eq!(shop.decision("verified").await, "true");
        assert_eq!(changed(&before, &shop.leaves().await), 3);
        assert_eq!(some.row_count, Some(365));
        shop.is_exact().await;
        assert_eq!(shop.refreshed().await.status, RunStatus::Noop);
        // What is gone is gone from the partition, and what moves is in two.
        let before = shop.leaves().await;
        let more = shop.after("DELETE FROM orders WHERE day = current_date - 100; UPDATE orders SET day = day - 90 WHERE day = current_date - 210").await;
        went(&more, Method::Partition, "3 partitions touched by ");
        assert_eq!(changed(&before, &shop.leaves().await), 3);
        assert_eq!(more.row_count, Some(363));
        shop.is_exact().await;
        // But for that of the next month.
        let all = shop.after("UPDATE orders SET amount = amount + 1").await;
        went(&all, Method::Partition, &format!("{} partitions touched by ", shop.leaves().await.len() - 1));
        shop.is_exact().await;
        assert_eq!(shop.refreshed().await.status, RunStatus::Noop);
    });
}

/// Where the keys of a partition are so many that computing them costs nearly as much as all rows do.
#[test]
fn many_keys_of_few_partitions_are_partitions() {
    run(async {
        let seed = "CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamp NOT NULL, customer int NOT NULL, amount numeric NOT NULL);
            INSERT INTO orders (at, customer, amount) SELECT date '2026-01-01' + n / 60000.0 * interval '364 days', n % 4000, n FROM generate_series(0, 59999) AS n;
            CREATE INDEX ON orders (at); CREATE INDEX ON orders (customer); ANALYZE orders";
        let query = "SELECT at::date AS day, customer, sum(amount) AS amount FROM orders GROUP BY 1, 2";
        let shop = Shop::of(seed, query, MONTHS, "primary_key = [\"day\", \"customer\"]", "method = \"changes\"").await;
        let month = "UPDATE orders SET amount = amount + 1 WHERE at >= '2026-03-01' AND at < '2026-04-01'";
        let before = shop.leaves().await;
        let run = shop.after(month).await;
        went(&run, Method::Partition, "1 partition touched by ");
        assert_eq!(changed(&before, &shop.leaves().await), 1);
        shop.is_exact().await;
        let few = shop.after("UPDATE orders SET amount = amount + 1 WHERE id < 5").await;
        went(&few, Method::Changes, "4 keys after ");
        shop.is_exact().await;
    });
}

#[test]
fn lists_and_hashes_are_told_by_the_log_too() {
    run(async {
        let list =
            "by = \"list\"\ncolumn = \"country\"\nvalues = { eu = [\"DE\", \"FR\"], us = [\"US\"] }\ndefault = true";
        let hash = "by = \"hash\"\ncolumn = \"country\"\nmodulus = 8";
        for partition in [list, hash] {
            let shop = Shop::of(ORDERS, BY_DAY, partition, "", "method = \"partition\"").await;
            let before = shop.leaves().await;
            let run =
                shop.after("UPDATE orders SET amount = 1000 WHERE country = 'US' AND day > current_date - 9").await;
            went(&run, Method::Partition, "1 partition touched by ");
            assert_eq!(changed(&before, &shop.leaves().await), 1);
            shop.is_exact().await;
            let others = shop
                .after(
                    "INSERT INTO orders (day, country, amount) VALUES (current_date, 'NO', 1), (current_date, NULL, 1)",
                )
                .await;
            assert_eq!(others.status, RunStatus::Success, "{others:#?}");
            shop.is_exact().await;
        }
    });
}

#[test]
fn what_the_default_holds_is_computed_where_it_changed() {
    run(async {
        let partition = format!("{MONTHS}\ndefault = true");
        let shop = Shop::of(ORDERS, BY_DAY, &partition, "", "method = \"partition\"").await;
        let before = shop.leaves().await;
        let run = shop.after("INSERT INTO orders (day, country, amount) VALUES (NULL, 'DE', 1), (current_date + 900, 'DE', 1); UPDATE orders SET amount = 5 WHERE day = current_date - 100").await;
        went(&run, Method::Partition, "2 partitions touched by ");
        assert_eq!(changed(&before, &shop.leaves().await), 2);
        assert_eq!(shop.database.value("SELECT count(*) FROM sales_default").await, "2");
        shop.is_exact().await;
        let before = shop.leaves().await;
        went(
            &shop.after("UPDATE orders SET amount = 7 WHERE day = current_date - 100").await,
            Method::Partition,
            "1 partition touched by ",
        );
        assert_eq!(changed(&before, &shop.leaves().await), 1);
        shop.is_exact().await;
    });
}

/// The months before what is frozen are as they were, whoever writes to the source.
#[test]
fn frozen_partitions_are_not_touched() {
    run(async {
        for method in ["changes", "partition"] {
            let incremental = format!("method = \"{method}\"\ntime_column = \"day\"\nfrozen_before = \"90 days\"");
            let shop = Shop::of(ORDERS, BY_DAY, MONTHS, KEY, &incremental).await;
            let old = "SELECT sum(amount) FROM sales WHERE day < current_date - 90";
            let (before, kept) = (shop.leaves().await, shop.database.value(old).await);
            let run = shop.after("DELETE FROM orders WHERE day < current_date - 90; UPDATE orders SET amount = 7 WHERE day = current_date").await;
            assert_eq!(run.status, RunStatus::Success, "{run:#?}");
            assert!(run.method.is_some_and(|m| matches!(m, Method::Partition | Method::Changes)), "{run:#?}");
            assert_eq!(shop.database.value(old).await, kept, "{method}");
            assert_eq!(shop.database.value("SELECT amount FROM sales WHERE day = current_date").await, "21");
            assert_eq!(shop.database.value("SELECT count(*) FROM sales").await, "365");
            assert!(changed(&before, &shop.leaves().await) <= 1);
            assert_eq!(shop.refreshed().await.status, RunStatus::Noop);
        }
    });
}

/// Nobody knows what a partition holds that somebody dropped and that is there again.
#[test]
fn a_partition_that_somebody_dropped_is_filled_again() {
    run(async {
        for method in ["changes", "partition"] {
            let shop = Shop::new(method).await;
            let leaf = shop
                .database
                .value("SELECT tableoid::regclass FROM sales WHERE day = current_date - 100 LIMIT 1")
                .await;
            let again =
                shop.after(&format!("DROP TABLE {leaf}; UPDATE orders SET amount = 5 WHERE day = current_date")).await;
            went(&again, Method::Exchange, "a partition of it was made anew");
            shop.is_exact().await;
            assert_eq!(shop.refreshed().await.status, RunStatus::Noop);
        }
    });
}

#[test]
fn partitions_that_are_too_old_leave_marts_that_follow() {
    run(async {
        for method in ["changes", "partition"] {
            let partition = format!("{MONTHS}\nretain = \"36 months\"");
            let shop = Shop::of(ORDERS, BY_DAY, &partition, KEY, &format!("method = \"{method}\"")).await;
            shop.database.script("CREATE TABLE sales_y2001_m01 PARTITION OF sales FOR VALUES FROM ('2001-01-01') TO ('2001-02-01'); INSERT INTO sales VALUES ('2001-01-05', 'DE', 1, 1)").await;
            let run = shop.after("UPDATE orders SET amount = 5 WHERE day = current_date; INSERT INTO orders (day, country, amount) SELECT date '2001-01-06', country, amount FROM orders LIMIT 1").await;
            assert_eq!((run.status, shop.decision("verified").await), (RunStatus::Success, "true".into()), "{run:#?}");
            assert_eq!(shop.database.value("SELECT count(*) FROM sales WHERE day < '2002-01-01'").await, "0");
            shop.is_exact().await;
        }
    });
}

#[test]
fn partitions_that_are_kept_for_longer_come_back_by_themselves() {
    run(async {
        let partition = format!("{MONTHS}\nretain = \"2 months\"");
        let shop = Shop::of(ORDERS, BY_DAY, &partition, KEY, "method = \"changes\"").await;
        let said = std::fs::read_to_string(shop.folder.path().join("sales.toml")).expect("the manifest");
        shop.folder.write("sales.toml", &said.replace("2 months", "6 months"));
        converge(&shop.database, shop.folder.path(), &plan::Options::default()).await;
        let run = shop.refreshed().await;
        assert!(run.method.is_some_and(Method::is_whole), "{run:#?}");
        shop.is_exact().await;
    });
}

#[test]
fn a_query_that_does_not_tell_partitions_is_refused() {
    run(async {
        let database = Database::new().await;
        database.script(ORDERS).await;
        let manifest = format!(
            "type = \"partitioned_table\"\nquery = \"SELECT country, max(day) AS day FROM orders GROUP BY 1\"\n[partition]\n{MONTHS}\n\
             [refresh.incremental]\nmethod = \"partition\"\n"
        );
        let folder = Folder::of(&[("sales.toml", &manifest)]);
        let desired = project::load(folder.path());
        let mut conn = database.session().await;
        let marts: Vec<_> = desired.marts.iter().collect();
        let Err(CompileError::Refused { failures, .. }) = compile(&mut conn, &marts, 3_000).await else {
            panic!("nothing is refused");
        };
        let error = &failures[0].error;
        assert!(error.message.ends_with("no change tells the value of day, by which the mart is divided"), "{error:?}");
        assert!(error.hint.as_ref().is_some_and(|hint| hint.starts_with("add a `lookback`")), "{error:?}");
    });
}

/// Where the bounds reach the source several sessions fill partitions; where they do not, it is one pass.
#[test]
fn all_partitions_are_filled_side_by_side() {
    run(async {
        let seed = "CREATE TABLE orders (id int, day date NOT NULL, amount numeric NOT NULL);
            INSERT INTO orders SELECT n, date '2026-01-01' + n / 1000, n FROM generate_series(0, 299999) AS n;
            CREATE INDEX ON orders (day); ANALYZE orders";
        for (query, sessions) in
            [("SELECT id, day, amount FROM orders", 2), ("SELECT id, day + 0 AS day, amount FROM orders", 1)]
        {
            let shop = Shop::of(
                seed,
                query,
                &format!("{MONTHS}\npremake = 0"),
                "",
                "method = \"upsert\"\nunique_key = [\"id\", \"day\"]",
            )
            .await;
            shop.database.script("UPDATE orders SET amount = amount + 1 WHERE id % 1000 = 0; INSERT INTO orders VALUES (300000, '2025-03-03', 1)").await;
            let desired = project::load(shop.folder.path());
            let mut items = project::items(&mut shop.database.session().await, &desired).await;
            items[0].asked.how = datamart::refresh::How::Full;
            let options = refresh_options();
            let mut deaf = |_| {};
            let runs =
                datamart::refresh::refresh(&shop.database.endpoint, &items, &options, &|| false, &mut deaf).await;
            let run = runs.expect("runs").remove(0);
            went(&run, Method::Exchange, "partitions differ");
            assert_eq!(run.row_count, Some(300_001));
            shop.is_exact().await;
            // Each session fills its part in one transaction; what had no partition before comes in another one.
            let filled = "SELECT count(DISTINCT xmin::text) FROM sales WHERE day >= '2026-01-01'";
            assert_eq!(shop.database.value(filled).await, sessions.to_string(), "{query}");
        }
    });
}

/// A partition that comes beside a default takes its rows along, and reads nothing where there are none.
#[test]
fn a_partition_comes_beside_a_default() {
    run(async {
        let partition = format!("{MONTHS}\ndefault = true");
        let shop = Shop::of(ORDERS, BY_DAY, &partition, "", "method = \"partition\"").await;
        let newest = "SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'sales'::regclass AND inhrelid::regclass::text ~ '_m' ORDER BY inhrelid::regclass::text DESC LIMIT 1";
        let newest = shop.database.value(newest).await;
        let month = newest.trim_start_matches("sales_y").replace("_m", "-");
        for (waiting, stay) in [(0, 2), (3, 2)] {
            let rows = format!(
                "DROP TABLE {newest}; DELETE FROM sales_default; INSERT INTO sales VALUES (NULL, 'DE', 1, 1), ('infinity', 'DE', 1, 1);
                 INSERT INTO sales SELECT date '{month}-05', 'XX', n, 1 FROM generate_series(1, {waiting}) AS n"
            );
            shop.database.script(&rows).await;
            let readied = datamart::refresh::keep_partitions(&shop.database.endpoint, &refresh_options()).await;
            assert_eq!(readied.expect("it goes").made, 1);
            assert_eq!(shop.database.value(&format!("SELECT count(*) FROM {newest}")).await, waiting.to_string());
            assert_eq!(shop.database.value("SELECT count(*) FROM sales_default").await, stay.to_string());
            let left = "SELECT count(*) FROM pg_constraint WHERE conname = 'datamart_bound'";
            assert_eq!(shop.database.value(left).await, "0");
        }
    });
}

/// What follows the changes of a mart in partitions is right, whichever partitions come and go.
#[test]
fn marts_follow_marts_in_partitions() {
    run(async {
        for method in ["changes", "partition"] {
            let shop = Shop::new(method).await;
            let totals = "type = \"table\"\nquery = \"SELECT country, sum(amount) AS amount, count(*) AS n FROM sales GROUP BY 1\"\n\
                          primary_key = [\"country\"]\n[refresh]\nstrategy = \"incremental\"\n[refresh.incremental]\nmethod = \"changes\"\n";
            shop.folder.write("totals.toml", totals);
            converge(&shop.database, shop.folder.path(), &plan::Options::default()).await;
            for write in [
                "UPDATE orders SET amount = 1000 WHERE day IN (current_date, current_date - 100)",
                "INSERT INTO orders (day, country, amount) VALUES (current_date + 400, 'NO', 1), (current_date - 600, 'DE', 1)",
                "UPDATE orders SET amount = amount + 1 WHERE country IN ('NO', 'DE'); DELETE FROM orders WHERE day = current_date - 50",
            ] {
                shop.database.script(write).await;
                let runs = refresh(&shop.database, shop.folder.path(), &refresh_options()).await;
                assert!(runs.iter().all(|run| run.status == RunStatus::Success), "{runs:#?}");
                let desired = project::load(shop.folder.path());
                let mut conn = shop.database.session().await;
                for mart in &desired.marts {
                    project::is_its_query(&mut conn, &mart.mart).await;
                }
                // What writes to a new partition is logged, too.
                let triggers = |of: &str| {
                    format!("SELECT count(*) FROM pg_trigger AS t WHERE t.tgrelid = {of} AND t.tgenabled = 'A'")
                };
                let lacking = format!(
                    "SELECT count(*) FROM pg_inherits AS i WHERE i.inhparent = 'sales'::regclass AND ({}) <> ({})",
                    triggers("i.inhrelid"),
                    triggers("i.inhparent")
                );
                assert_eq!(shop.database.value(&lacking).await, "0", "{method}: {write}");
            }
            shop.database.script("UPDATE orders SET amount = 7 WHERE day = current_date + 400").await;
            let runs = refresh(&shop.database, shop.folder.path(), &refresh_options()).await;
            assert!(runs[1].reason.contains("keys after") || runs[1].reason.contains("key after"), "{runs:#?}");
        }
    });
}

//! What others do at the same time, and what an error leaves behind.

use std::cell::Cell;
use std::time::Duration;

use datamart::refresh::{Method, RunStatus};
use sqlx::{AssertSqlSafe, PgConnection};

use super::shop::Shop;
use crate::support::database::run;
use crate::support::wait::until;

async fn does(conn: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(conn)
        .await
        .unwrap_or_else(|error| panic!("{error}\nin {sql}"));
}

/// Who began first may commit last: an order by number or time would miss it.
#[test]
fn what_is_committed_late_is_not_missed() {
    run(async {
        let shop = Shop::new("").await;
        let mut late = shop.database.session().await;
        does(&mut late, "BEGIN; INSERT INTO public.orders VALUES (20, 'late', 1)").await;
        shop.script("INSERT INTO orders VALUES (21, 'north', 1)").await;
        assert_eq!(shop.follows().await, [1, 0, 1]);
        shop.nothing().await;
        does(&mut late, "COMMIT").await;
        assert_eq!(shop.follows().await, [1, 0, 0]);
        does(&mut late, "BEGIN; INSERT INTO public.orders VALUES (22, 'gone', 1); ROLLBACK").await;
        shop.nothing().await;
        let part = "BEGIN; INSERT INTO public.orders VALUES (23, 'a', 1); SAVEPOINT s; INSERT INTO public.orders VALUES (24, 'b', 1);
                    ROLLBACK TO s; INSERT INTO public.orders VALUES (25, 'c', 1); COMMIT";
        does(&mut late, part).await;
        assert_eq!(shop.follows().await, [2, 0, 0]);
    });
}

/// The rows were computed before it.
#[test]
fn what_a_trigger_on_the_mart_writes_is_not_missed() {
    run(async {
        let shop = Shop::new("").await;
        shop.script(
            "CREATE FUNCTION public.more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               INSERT INTO public.orders VALUES (500, 'more', 5) ON CONFLICT DO NOTHING; RETURN NULL; END $$;
             -- What is compared with its query is found to be another.
             UPDATE datamart.positions SET verified = 3;
             CREATE TRIGGER more AFTER INSERT OR UPDATE ON public.mart FOR EACH ROW EXECUTE FUNCTION public.more();
             INSERT INTO orders VALUES (20, 'new', 1)",
        )
        .await;
        shop.refreshed().await;
        assert_eq!(shop.value("SELECT count(*) FROM mart WHERE region = 'more'").await, "0");
        assert_eq!(shop.follows().await, [1, 0, 0]);
        shop.nothing().await;
    });
}

#[test]
fn writers_and_refreshes_do_not_mind_each_other() {
    run(async {
        let shop = Shop::new("").await;
        let enough = Cell::new(false);
        let write = async |number: i32| {
            let mut conn = shop.database.session().await;
            let mut at = 0;
            while !enough.get() {
                // Where one refresh takes long, the next one would have more changes than are worth following.
                tokio::time::sleep(Duration::from_millis(20)).await;
                at += 1;
                let id = number * 100_000 + at;
                let region = format!("r{}", at % 5);
                does(
                    &mut conn,
                    &format!(
                        "BEGIN; INSERT INTO public.orders VALUES ({id}, '{region}', 1);
                         UPDATE public.orders SET region = 'moved' WHERE id = {} AND id % 3 = 0;
                         DELETE FROM public.orders WHERE id = {}; {}",
                        id - 1,
                        id - 7,
                        if at % 4 == 0 { "ROLLBACK" } else { "COMMIT" }
                    ),
                )
                .await;
            }
        };
        let refreshes = async {
            let mut followed = 0;
            for _ in 0..15 {
                let run = shop.refreshed().await;
                assert!(matches!(run.status, RunStatus::Success | RunStatus::Noop), "{run:#?}");
                let many = run.reason.starts_with("more than ");
                assert!(run.method == Some(Method::Changes) || many, "{run:#?}");
                followed += usize::from(!many);
            }
            enough.set(true);
            followed
        };
        let (followed, ..) = tokio::join!(refreshes, write(1), write(2), write(3));
        assert!(followed > 3, "{followed}");
        shop.refreshed().await;
        shop.is_exact().await;
        shop.nothing().await;
    });
}

#[test]
fn a_check_that_fails_leaves_rows_and_position() {
    run(async {
        let shop = Shop::new("[[checks]]\nsql = \"SELECT * FROM {this} WHERE total > 100\"").await;
        let position = "SELECT snapshot::text FROM datamart.positions";
        let before = shop.value(position).await;
        shop.script("INSERT INTO orders VALUES (20, 'north', 500)").await;
        let failed = shop.refreshed().await;
        assert_eq!((failed.status, failed.method), (RunStatus::Failed, Some(Method::Changes)), "{failed:#?}");
        assert_eq!(
            (shop.value(position).await, shop.value("SELECT max(total) < 100 FROM mart").await),
            (before, "true".into())
        );
        shop.script("UPDATE orders SET amount = 5 WHERE id = 20").await;
        assert_eq!(shop.follows().await, [1, 0, 1]);
    });
}

#[test]
fn a_refresh_that_is_killed_leaves_rows_and_position() {
    run(async {
        let shop = Shop::new("").await;
        shop.script("INSERT INTO orders VALUES (20, 'north', 500)").await;
        let mut other = shop.database.session().await;
        does(&mut other, "BEGIN; UPDATE public.mart SET n = n WHERE region = 'north'").await;
        let blocked = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'datamart%' AND datname = current_database()";
        let kill = async {
            until("the refresh waits", async || shop.value(blocked).await != "NULL").await;
            shop.value(&format!("SELECT pg_terminate_backend(pid) FROM ({blocked}) AS b")).await
        };
        let (run, _) = tokio::join!(shop.refreshed(), kill);
        assert_eq!(run.status, RunStatus::Failed, "{run:#?}");
        does(&mut other, "ROLLBACK").await;
        assert_eq!(shop.value("SELECT max(total) < 100 FROM mart").await, "true");
        assert_eq!(shop.follows().await, [1, 0, 1]);
    });
}

/// The lock goes with the session that works, and nothing else does.
#[test]
fn a_refresh_whose_lock_is_taken_away_leaves_rows_and_position() {
    run(async {
        let shop = Shop::new("").await;
        shop.script("INSERT INTO orders VALUES (20, 'north', 500)").await;
        let position = "SELECT snapshot::text FROM datamart.positions";
        let before = shop.value(position).await;
        let mut other = shop.database.session().await;
        does(&mut other, "BEGIN; UPDATE public.mart SET n = n WHERE region = 'north'").await;
        let ours =
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'datamart%' AND datname = current_database()";
        let take = async {
            let waits = format!("{ours} AND wait_event_type = 'Lock'");
            until("the refresh waits", async || shop.value(&waits).await != "NULL").await;
            let holds = format!(
                "SELECT pid FROM ({waits}) AS w JOIN pg_locks AS l USING (pid) WHERE l.locktype = 'advisory' AND l.granted"
            );
            assert_eq!(shop.value(&format!("SELECT pg_terminate_backend(pid) FROM ({holds}) AS h")).await, "true");
            until("the lock is gone", async || shop.value(&holds).await == "NULL").await;
            does(&mut other, "ROLLBACK").await;
        };
        let (run, ()) = tokio::join!(shop.refreshed(), take);
        let error = run.error.as_ref().map(|error| (error.kind.as_str(), error.message.as_str()));
        assert_eq!(error.map(|(kind, _)| kind), Some("connection"), "{run:#?}");
        assert_eq!(
            (shop.value(position).await, shop.value("SELECT max(total) < 100 FROM mart").await),
            (before, "true".into())
        );
        assert_eq!(shop.follows().await, [1, 0, 1]);
    });
}

#[test]
fn several_sources_change_in_one_batch() {
    run(async {
        let seed = "CREATE TABLE shops (shop int PRIMARY KEY, city text);
            CREATE TABLE sales (id int PRIMARY KEY, shop int, amount numeric);
            INSERT INTO shops SELECT n, 'city ' || n % 3 FROM generate_series(1, 9) AS n;
            INSERT INTO sales SELECT n, n % 9 + 1, n FROM generate_series(1, 100) AS n;";
        let query = "SELECT s.city, x.shop % 2 AS odd, count(*) AS n, sum(x.amount) AS total FROM sales x JOIN shops s ON s.shop = x.shop GROUP BY 1, 2";
        let shop = Shop::of(seed, query, "").await;
        shop.nothing().await;
        shop.script(
            "BEGIN; UPDATE sales SET shop = 10 WHERE shop = 1; INSERT INTO shops VALUES (10, 'city 1'); DELETE FROM shops WHERE shop = 1;
             UPDATE shops SET city = NULL WHERE shop = 2; COMMIT",
        )
        .await;
        shop.follows().await;
        shop.script("UPDATE shops SET city = 'city 2' WHERE city IS NULL; DELETE FROM sales WHERE id < 4").await;
        shop.follows().await;
        shop.nothing().await;
    });
}

//! Marts that follow every commit: the rows that are stored are the query's, in every snapshot.

use std::cell::Cell;

use sqlx::{AssertSqlSafe, PgConnection};

use super::shop::Shop;
use super::writers::{Dice, statement};
use crate::support::database::run;

async fn following() -> (Shop, PgConnection) {
    let shop = Shop::new().await;
    shop.follow_commits().await;
    let conn = session(&shop).await;
    (shop, conn)
}

async fn session(shop: &Shop) -> PgConnection {
    let mut conn = shop.database.session().await;
    all(&mut conn, "SET search_path = public").await.unwrap();
    conn
}

async fn all(conn: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await.map(|_| ())
}

fn code(error: sqlx::Error) -> String {
    error.as_database_error().and_then(|error| error.code().map(|code| code.into_owned())).unwrap_or_default()
}

#[test]
fn a_commit_brings_its_groups_up_to_date() {
    run(async {
        let (shop, mut conn) = following().await;
        for (what, sql) in [
            ("a row", "INSERT INTO lines VALUES (101, 1, 5)"),
            (
                "rows of two tables",
                "BEGIN; INSERT INTO orders VALUES (50, 'new', '2026-03-01'); INSERT INTO lines VALUES (150, 50, 9); COMMIT",
            ),
            ("a group that moves", "UPDATE orders SET region = NULL, placed = placed + interval '1 day' WHERE id = 4"),
            (
                "a group that is gone",
                "DELETE FROM lines WHERE id_order IN (SELECT id FROM orders WHERE region = 'west')",
            ),
            (
                "a savepoint rolled back",
                "BEGIN; SAVEPOINT a; UPDATE lines SET id_order = 7; ROLLBACK TO SAVEPOINT a; UPDATE lines SET amount = 0 WHERE id = 3; COMMIT",
            ),
            (
                "looked at in between",
                "BEGIN; UPDATE lines SET amount = 1 WHERE id = 5; SET CONSTRAINTS ALL IMMEDIATE; UPDATE lines SET amount = 2 WHERE id = 6; COMMIT",
            ),
            (
                "more than is noted",
                "BEGIN; INSERT INTO orders SELECT n, 'r' || n % 7, '2026-01-01' FROM generate_series(1000, 1900) AS n; INSERT INTO lines SELECT n, n, 1 FROM generate_series(1000, 1900) AS n; COMMIT",
            ),
            ("everything gone", "BEGIN; TRUNCATE lines; INSERT INTO lines VALUES (1, 3, 5); COMMIT"),
        ] {
            all(&mut conn, sql).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            shop.stores_exact(&mut conn, what).await;
        }
        all(&mut conn, "BEGIN; UPDATE lines SET amount = 99; ROLLBACK").await.unwrap();
        shop.stores_exact(&mut conn, "rolled back").await;
    });
}

#[test]
fn every_snapshot_is_exact_beside_writers() {
    run(async {
        let (shop, _) = following().await;
        let (running, failed) = (Cell::new(4), Cell::new(0));
        let writer = async |seed: u64, begin: &str| {
            let mut dice = Dice(seed);
            let mut conn = session(&shop).await;
            for _ in 0..60 {
                all(&mut conn, begin).await.unwrap();
                let mut done = Ok(());
                for sql in (0..=dice.roll(3)).map(|_| statement(&mut dice)).collect::<Vec<_>>() {
                    done = all(&mut conn, &sql).await;
                    if done.is_err() {
                        break;
                    }
                }
                let end = if dice.roll(6) == 0 || done.is_err() { "ROLLBACK" } else { "COMMIT" };
                if let Err(error) = all(&mut conn, end).await {
                    // A deadlock, or what cannot be serialized: it wrote nothing, and may be tried again.
                    let code = code(error);
                    assert!(["40001", "40P01"].contains(&code.as_str()), "{code}");
                    failed.set(failed.get() + 1);
                    all(&mut conn, "ROLLBACK").await.unwrap();
                }
            }
            running.set(running.get() - 1);
        };
        let reader = async || {
            let (mut reads, mut conn) = (0, shop.database.session().await);
            while running.get() > 0 {
                shop.stores_exact(&mut conn, "beside writers").await;
                reads += 1;
            }
            reads
        };
        let plain = "BEGIN";
        let (.., reads) = tokio::join!(
            writer(1, plain),
            writer(2, plain),
            writer(3, "BEGIN ISOLATION LEVEL REPEATABLE READ"),
            writer(4, "BEGIN ISOLATION LEVEL SERIALIZABLE"),
            reader()
        );
        assert!(reads > 20, "{reads} reads");
        let mut conn = shop.database.session().await;
        shop.stores_exact(&mut conn, &format!("in the end, {} failed", failed.get())).await;
    });
}

#[test]
fn an_older_snapshot_fails_instead_of_writing_what_it_saw() {
    run(async {
        let (shop, mut old) = following().await;
        let mut other = session(&shop).await;
        all(&mut old, "BEGIN ISOLATION LEVEL REPEATABLE READ; INSERT INTO lines VALUES (201, 1, 5)").await.unwrap();
        all(&mut other, "INSERT INTO lines VALUES (202, 1, 7)").await.unwrap();
        let error = all(&mut old, "COMMIT").await.unwrap_err();
        assert_eq!(code(error), "40001");
        shop.stores_exact(&mut other, "one of two").await;
        // Of other groups nobody knows.
        all(&mut old, "ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ; INSERT INTO lines VALUES (203, 2, 5)")
            .await
            .unwrap();
        all(&mut other, "INSERT INTO lines VALUES (204, 1, 7)").await.unwrap();
        all(&mut old, "COMMIT").await.unwrap();
        shop.stores_exact(&mut other, "both").await;
    });
}

#[test]
fn what_cannot_be_computed_fails_no_write() {
    run(async {
        let (shop, mut conn) = following().await;
        all(&mut conn, "ALTER TABLE orders RENAME COLUMN region TO area; UPDATE orders SET area = 'x' WHERE id = 3")
            .await
            .unwrap();
        all(&mut conn, "ALTER TABLE orders RENAME COLUMN area TO region; ALTER TABLE mart_v1 RENAME TO elsewhere")
            .await
            .unwrap();
        all(&mut conn, "UPDATE orders SET region = 'x' WHERE id = 3").await.unwrap();
        assert_eq!(shop.value("SELECT region FROM orders WHERE id = 3").await, "x");
    });
}

//! One writer: whatever it does, its commit brings the marts to what their queries give.

use datamart::refresh::{How, RunStatus};

use super::shop::{BY_DAY, BY_KIND, BY_REGION, Shop, TOTALS, done, tried};
use crate::support::database::run;

#[test]
fn every_commit_is_seen_at_once() {
    run(async {
        let shop = Shop::new(&[BY_KIND, BY_REGION, BY_DAY, TOTALS]).await;
        shop.is_exact("filled").await;
        assert!(shop.plan().await.changes.is_empty(), "{:#?}", shop.plan().await.changes);
        for (what, sql) in [
            ("a row", "INSERT INTO orders VALUES (100, 1, 'k1', 5)"),
            ("a group", "INSERT INTO orders VALUES (101, 1, 'new', 5, '2026-03-01')"),
            ("a group of NULL", "INSERT INTO customers VALUES (30); INSERT INTO orders VALUES (102, 30, 'k1', 5)"),
            ("a row that moves", "UPDATE orders SET kind = 'k2', customer = 3, placed = '2026-02-02' WHERE id = 100"),
            ("a group that goes", "DELETE FROM orders WHERE kind = 'new'"),
            ("a partner that moves", "UPDATE customers SET region = 'west' WHERE id < 4"),
            (
                "a partner that goes with its rows",
                "BEGIN; DELETE FROM orders WHERE customer = 5; DELETE FROM customers WHERE id = 5; COMMIT",
            ),
            (
                "many rows",
                "INSERT INTO orders SELECT n, n % 12, 'k' || n % 300, 1, timestamp '2026-01-01' + n * interval '1 hour' FROM generate_series(1000, 3000) AS n",
            ),
            ("many rows go", "DELETE FROM orders WHERE id >= 1000"),
            ("nothing", "UPDATE orders SET amount = amount + 1 WHERE false"),
            ("TRUNCATE", "BEGIN; TRUNCATE orders; INSERT INTO orders VALUES (1, 1, 'k1', 1); COMMIT"),
        ] {
            shop.script(sql).await;
            shop.is_exact(what).await;
        }
        // What nobody has to write is no work, and the logs are free again.
        for run in shop.refreshed(How::AsDeclared).await {
            assert!(matches!(run.status, RunStatus::Noop | RunStatus::Success), "{run:#?}");
            assert_eq!(
                (run.rows_inserted, run.rows_updated, run.rows_deleted),
                (Some(0), Some(0), Some(0)),
                "{run:#?}"
            );
        }
    });
}

#[test]
fn a_transaction_is_one() {
    run(async {
        let shop = Shop::new(&[BY_KIND, BY_REGION, TOTALS]).await;
        let before = shop.rows("by_kind").await;
        let mut conn = shop.session().await;
        done(&mut conn, "BEGIN; INSERT INTO orders VALUES (100, 1, 'k1', 5); SAVEPOINT a; INSERT INTO orders VALUES (101, 1, 'gone', 5)").await;
        assert_eq!(shop.rows("by_kind").await, before);
        done(&mut conn, "ROLLBACK TO SAVEPOINT a; INSERT INTO orders VALUES (102, 1, 'k2', 5); COMMIT").await;
        shop.is_exact("a savepoint that was rolled back").await;
        done(&mut conn, "BEGIN; SAVEPOINT a; INSERT INTO orders VALUES (103, 1, 'k3', 5); ROLLBACK TO SAVEPOINT a; DELETE FROM orders WHERE id = 102; COMMIT").await;
        shop.is_exact("the first write was rolled back").await;
        done(&mut conn, "BEGIN; INSERT INTO orders VALUES (104, 1, 'k4', 5); SET CONSTRAINTS ALL IMMEDIATE").await;
        let seen: String =
            sqlx::query_scalar("SELECT total::text FROM by_kind WHERE kind = 'k4'").fetch_one(&mut conn).await.unwrap();
        done(&mut conn, "INSERT INTO orders VALUES (105, 1, 'k4', 5); SET CONSTRAINTS ALL DEFERRED; INSERT INTO orders VALUES (106, 1, 'k4', 5)").await;
        let later: String =
            sqlx::query_scalar("SELECT total::text FROM by_kind WHERE kind = 'k4'").fetch_one(&mut conn).await.unwrap();
        assert_ne!(seen, later, "what is written after it is seen at once, too");
        done(&mut conn, "COMMIT").await;
        shop.is_exact("constraints that were immediate").await;
        done(&mut conn, "BEGIN; INSERT INTO orders VALUES (107, 1, 'k4', 5); ROLLBACK").await;
        shop.is_exact("rolled back").await;
        // Replication fires no ordinary trigger.
        done(&mut conn, "SET session_replication_role = replica; INSERT INTO orders VALUES (108, 1, 'k4', 5); RESET session_replication_role").await;
        shop.is_exact("written as replication does").await;
        let left = "SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace \
                    WHERE n.nspname = 'datamart' AND c.relname LIKE 'commits\\_%' AND c.relkind = 'r' AND c.relname NOT LIKE '%locks'";
        assert_eq!(shop.value(left).await, "1");
    });
}

#[test]
fn many_rows_are_one_piece_of_work() {
    run(async {
        let shop = Shop::new(&[BY_KIND, BY_REGION, BY_DAY]).await;
        shop.script("INSERT INTO orders SELECT n, n % 10, 'k' || n % 100, 1, timestamp '2026-01-01' + n % 9000 * interval '1 hour' FROM generate_series(1000, 101000) AS n").await;
        shop.is_exact("a hundred thousand rows").await;
        shop.script("UPDATE orders SET kind = 'k' || id % 7").await;
        shop.is_exact("all of them").await;
    });
}

#[test]
fn a_query_that_fails_fails_the_write_and_nothing_else_does() {
    run(async {
        let divided = (
            "divided",
            "query = \"SELECT kind, sum(1 / amount) AS inverse FROM orders GROUP BY kind\"\nprimary_key = [\"kind\"]",
        );
        let shop = Shop::new(&[BY_KIND, divided]).await;
        let mut conn = shop.session().await;
        let failed = tried(&mut conn, "INSERT INTO orders VALUES (100, 1, 'k1', 0)").await;
        assert_eq!(failed, Err("22012".to_owned()));
        shop.is_exact("a write that failed").await;
        done(&mut conn, "INSERT INTO orders VALUES (100, 1, 'k1', 2)").await;
        shop.is_exact("the next one").await;
        // The mart's key is never NULL, the source's column may be.
        done(&mut conn, "INSERT INTO orders VALUES (99, 1, NULL, 2)").await;
        done(&mut conn, "DELETE FROM orders WHERE id = 99").await;
        shop.is_exact("a row that the mart cannot have").await;
        // A column that the logs do not keep, and the query reads.
        done(&mut conn, "ALTER TABLE orders RENAME amount TO price").await;
        done(&mut conn, "INSERT INTO orders VALUES (101, 1, 'k1', 2)").await;
        done(&mut conn, "ALTER TABLE orders RENAME price TO amount").await;
        shop.refreshed(How::AsDeclared).await;
        shop.is_exact("refreshed after what could not be computed").await;
        for (what, sql) in [
            ("a log that is gone", "DROP TABLE datamart.changes_default_public_orders_1"),
            ("a mart that is gone", "DROP TABLE divided"),
            ("a mart with a column less", "ALTER TABLE by_kind DROP COLUMN total"),
        ] {
            done(&mut conn, sql).await;
            assert_eq!(
                tried(&mut conn, "INSERT INTO orders SELECT max(id) + 1, 1, 'k1', 2 FROM orders").await,
                Ok(()),
                "{what}"
            );
        }
    });
}

//! Reads of fresh marts: exact at the reader's own snapshot, whatever happened to the sources, the logs and the rows.

mod certain;
mod declared;
mod plans;
mod shop;
mod writers;

use self::shop::Shop;
use crate::support::database::run;

#[test]
fn what_is_pending_is_read_from_the_sources() {
    run(async {
        let shop = Shop::new().await;
        shop.is_exact("rows that have seen everything").await;
        assert!(shop.reads_rows().await);
        for (what, sql) in [
            ("new rows", "INSERT INTO lines VALUES (101, 1, 5), (102, 3, 7), (103, NULL, 1)"),
            (
                "a new group",
                "INSERT INTO orders VALUES (50, 'new', '2026-03-01'); INSERT INTO lines VALUES (150, 50, 9)",
            ),
            ("a row that moves between groups", "UPDATE orders SET region = 'south' WHERE id = 1"),
            (
                "a partner that goes with its row",
                "DELETE FROM lines WHERE id_order = 2; DELETE FROM orders WHERE id = 2",
            ),
            (
                "a foreign key changed, its partner gone",
                "UPDATE lines SET id_order = 3 WHERE id_order = 5; DELETE FROM orders WHERE id = 5",
            ),
            ("a key that becomes NULL", "UPDATE orders SET region = NULL WHERE id = 4"),
            (
                "a group that is gone",
                "DELETE FROM lines WHERE id_order IN (SELECT id FROM orders WHERE region = 'west')",
            ),
        ] {
            shop.script(sql).await;
            shop.is_exact(what).await;
            assert!(shop.reads_rows().await, "{what}");
        }
        shop.refresh().await;
        shop.is_exact("refreshed").await;
        assert_eq!(shop.pending().await, "0");
    });
}

#[test]
fn a_reader_sees_its_own_writes() {
    run(async {
        let shop = Shop::new().await;
        let mut conn = shop.database.session().await;
        sqlx::raw_sql("SET search_path = public; BEGIN; INSERT INTO lines VALUES (101, 1, 5); SAVEPOINT a; DELETE FROM lines WHERE id_order = 3")
            .execute(&mut conn)
            .await
            .unwrap();
        shop.is_exact_for(&mut conn, "its own writes").await;
        shop.is_exact("those of others").await;
        sqlx::raw_sql("ROLLBACK TO SAVEPOINT a; UPDATE orders SET region = 'x' WHERE id = 4")
            .execute(&mut conn)
            .await
            .unwrap();
        shop.is_exact_for(&mut conn, "a savepoint rolled back").await;
        // The rows are computed anew meanwhile: what is not committed is pending still.
        shop.refresh().await;
        shop.is_exact_for(&mut conn, "rows that do not know it").await;
        sqlx::raw_sql("COMMIT").execute(&mut conn).await.unwrap();
        shop.is_exact("committed after the rows were computed").await;
        assert_ne!(shop.pending().await, "0");
        shop.refresh().await;
        assert_eq!(shop.pending().await, "0");
    });
}

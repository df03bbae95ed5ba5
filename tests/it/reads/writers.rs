//! Reads beside writers and refreshes.

use std::cell::Cell;

use sqlx::{AssertSqlSafe, Row};

use super::shop::Shop;
use crate::support::database::run;

/// A small generator of numbers: every run writes the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn statement(dice: &mut Dice) -> String {
    let (order, line) = (dice.roll(60), dice.roll(200));
    match dice.roll(7) {
        0 => format!(
            "INSERT INTO orders VALUES ({order}, (ARRAY['north', 'south', NULL])[{order} % 3 + 1], '2026-01-01') ON CONFLICT (id) DO UPDATE SET region = 'east'"
        ),
        1 => format!("DELETE FROM orders WHERE id = {order}"),
        2 => format!(
            "UPDATE orders SET region = 'r' || {line} % 5, placed = placed + interval '5 hours' WHERE id % 20 = {order} % 20"
        ),
        3 => format!(
            "INSERT INTO lines VALUES ({line}, {order}, {order}) ON CONFLICT (id) DO UPDATE SET id_order = excluded.id_order"
        ),
        4 => format!("DELETE FROM lines WHERE id = {line}"),
        5 => format!("UPDATE lines SET amount = amount + 1 WHERE id_order = {order}"),
        _ => format!("UPDATE lines SET id_order = {order} WHERE id = {line}"),
    }
}

#[test]
fn every_read_is_exact_beside_writers_and_refreshes() {
    run(async {
        let shop = Shop::new().await;
        let running = Cell::new(4);
        let (reads, refreshes) = (Cell::new(0), Cell::new(0));
        // On a busy machine reads are few: writers go on until there were enough of them.
        let enough = |round: u32| round >= 60 && (round >= 2_000 || (reads.get() > 20 && refreshes.get() > 5));
        let writer = async |seed: u64| {
            let mut dice = Dice(seed);
            let mut conn = shop.database.session().await;
            sqlx::raw_sql("SET search_path = public").execute(&mut conn).await.unwrap();
            let mut round = 0;
            while !enough(round) {
                round += 1;
                let statements: Vec<String> = (0..=dice.roll(4)).map(|_| statement(&mut dice)).collect();
                let end = if dice.roll(4) == 0 { "ROLLBACK" } else { "COMMIT" };
                sqlx::raw_sql("BEGIN").execute(&mut conn).await.unwrap();
                for sql in statements {
                    // Writers may meet in a deadlock: that is theirs.
                    if sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut conn).await.is_err() {
                        break;
                    }
                }
                sqlx::raw_sql(end).execute(&mut conn).await.unwrap();
            }
            running.set(running.get() - 1);
        };
        let reader = async || {
            let mut conn = shop.database.session().await;
            while running.get() > 0 {
                shop.is_exact_for(&mut conn, "beside writers").await;
                reads.set(reads.get() + 1);
            }
        };
        let refresher = async || {
            while running.get() > 0 {
                shop.refresh().await;
                refreshes.set(refreshes.get() + 1);
            }
        };
        tokio::join!(writer(1), writer(2), writer(3), writer(4), reader(), refresher());
        assert!(reads.get() > 20 && refreshes.get() > 5, "{reads:?} reads, {refreshes:?} refreshes");
        let mut conn = shop.database.session().await;
        let row = sqlx::query("SELECT count(*) FROM public.mart").fetch_one(&mut conn).await.unwrap();
        assert_ne!(row.get::<i64, _>(0), 0);
        shop.is_exact("in the end").await;
        assert!(shop.reads_rows().await);
    });
}

//! Writers beside each other.

use std::cell::Cell;

use sqlx::PgConnection;

use super::shop::{BY_DAY, BY_KIND, BY_REGION, Shop, TOTALS, done, tried};
use crate::support::database::run;
use crate::support::wait::until;
use datamart::refresh::How;

/// A small generator of numbers: every run writes the same.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Both halves of a join are written at once: neither transaction sees the other's half.
#[test]
fn two_halves_of_a_join_meet() {
    run(async {
        for level in ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"] {
            let shop = Shop::new(&[BY_REGION]).await;
            let (mut one, mut other) = (shop.session().await, shop.session().await);
            let begin = format!("BEGIN ISOLATION LEVEL {level}; SELECT count(*) FROM orders");
            done(&mut one, &begin).await;
            done(&mut other, &begin).await;
            done(&mut one, "INSERT INTO orders VALUES (100, 50, 'k1', 5)").await;
            done(&mut other, "INSERT INTO customers VALUES (50, 'far', 'c50')").await;
            done(&mut one, "COMMIT").await;
            let second = tried(&mut other, "COMMIT").await;
            if level == "READ COMMITTED" {
                assert_eq!(second, Ok(()));
            } else {
                assert_eq!(second, Err("40001".to_owned()), "{level}");
                done(&mut other, "INSERT INTO customers VALUES (50, 'far', 'c50')").await;
            }
            shop.is_exact(level).await;
            assert_eq!(shop.value("SELECT n FROM by_region WHERE region = 'far'").await, "1", "{level}");
        }
    });
}

/// The second waits for the first, and sees what it wrote.
#[test]
fn writers_of_one_group_wait_for_each_other() {
    run(async {
        let shop = Shop::new(&[BY_KIND]).await;
        let (mut one, mut other) = (shop.session().await, shop.session().await);
        done(&mut one, "BEGIN; INSERT INTO orders VALUES (100, 1, 'k1', 5); SET CONSTRAINTS ALL IMMEDIATE").await;
        let waits = async { done(&mut other, "INSERT INTO orders VALUES (101, 1, 'k1', 5)").await };
        let ends = async {
            let waiting =
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            until("the other waits", async || shop.value(waiting).await == "1").await;
            // Another group is nobody's business.
            shop.script("INSERT INTO orders VALUES (102, 1, 'k2', 5)").await;
            done(&mut one, "COMMIT").await;
        };
        tokio::join!(waits, ends);
        shop.is_exact("both").await;
    });
}

fn statement(dice: &mut Dice) -> String {
    let (order, customer, kind) = (dice.roll(80), dice.roll(14), dice.roll(6));
    match dice.roll(8) {
        0 => format!(
            "INSERT INTO orders VALUES ({order}, {customer}, 'k{kind}', {order}) ON CONFLICT (id) DO UPDATE SET kind = excluded.kind"
        ),
        1 => format!("DELETE FROM orders WHERE id = {order}"),
        2 => format!("UPDATE orders SET amount = amount + 1 WHERE kind = 'k{kind}' AND id % 5 = {order} % 5"),
        3 => format!(
            "INSERT INTO customers VALUES ({customer}, 'r{kind}') ON CONFLICT (id) DO UPDATE SET region = excluded.region"
        ),
        4 => format!("DELETE FROM customers WHERE id = {customer}"),
        5 => {
            format!("UPDATE orders SET customer = {customer}, placed = placed + interval '5 hours' WHERE id = {order}")
        }
        6 => format!("UPDATE orders SET kind = 'k{kind}' WHERE id IN ({order}, {order} + 1, {order} + 7)"),
        _ => format!("UPDATE customers SET region = 'r{kind}' WHERE id IN ({customer}, {customer} + 3)"),
    }
}

/// Writes transactions of one level until there were enough; how many were committed, and what failed otherwise than it may.
async fn writes(conn: &mut PgConnection, seed: u64, level: &str, most: u32) -> (u32, Vec<String>) {
    let (mut dice, mut committed, mut odd) = (Dice(seed), 0, Vec::new());
    for _ in 0..most {
        let statements: Vec<String> = (0..=dice.roll(3)).map(|_| statement(&mut dice)).collect();
        let script = format!("BEGIN ISOLATION LEVEL {level}; {}; COMMIT", statements.join("; "));
        match tried(conn, &script).await {
            Ok(()) => committed += 1,
            Err(code) => {
                done(conn, "ROLLBACK").await;
                // Writers may meet in a deadlock of their own statements; those that keep their snapshot begin again.
                if !(code == "40P01" || (level != "READ COMMITTED" && code == "40001")) {
                    odd.push(code);
                }
            }
        }
    }
    (committed, odd)
}

#[test]
fn marts_are_exact_beside_eight_writers() {
    run(async {
        let shop = Shop::new(&[BY_KIND, BY_REGION, BY_DAY, TOTALS]).await;
        let running = Cell::new(8);
        let committed = Cell::new(0);
        let writer = async |seed: u64, level: &str| {
            let mut conn = shop.session().await;
            let (count, odd) = writes(&mut conn, seed, level, 60).await;
            assert!(odd.is_empty(), "{level}: {odd:?}");
            committed.set(committed.get() + count);
            running.set(running.get() - 1);
        };
        let reads = Cell::new(0);
        let reader = async || {
            while running.get() > 0 {
                shop.is_exact("beside writers").await;
                reads.set(reads.get() + 1);
            }
        };
        let refresher = async || {
            while running.get() > 0 {
                for how in [How::AsDeclared, How::Full] {
                    for run in shop.refreshed(how).await {
                        // Writers with an older snapshot may be in the way.
                        assert!(
                            run.error.is_none() || run.error.as_ref().is_some_and(|e| e.kind == "serialization"),
                            "{run:#?}"
                        );
                    }
                }
            }
        };
        tokio::join!(
            writer(1, "READ COMMITTED"),
            writer(2, "READ COMMITTED"),
            writer(3, "READ COMMITTED"),
            writer(4, "READ COMMITTED"),
            writer(5, "REPEATABLE READ"),
            writer(6, "REPEATABLE READ"),
            writer(7, "SERIALIZABLE"),
            writer(8, "SERIALIZABLE"),
            reader(),
            refresher(),
        );
        assert!(committed.get() > 100 && reads.get() > 1, "{committed:?} commits, {reads:?} reads");
        shop.is_exact("in the end").await;
    });
}

/// Whatever the order of their statements, writers meet in no deadlock that is not their own.
#[test]
fn marts_are_no_deadlock() {
    run(async {
        let shop = Shop::new(&[BY_KIND, BY_REGION, TOTALS]).await;
        let writer = async |number: u32| {
            let mut conn = shop.session().await;
            for round in 0..40 {
                let id = 1_000 + number * 100 + round;
                let mut statements = [
                    format!("INSERT INTO orders VALUES ({id}, {number}, 'k{}', 1)", round % 3),
                    format!("INSERT INTO customers VALUES ({id}, 'r{}')", round % 2),
                    format!("INSERT INTO orders VALUES ({id}0, {number}, 'k{}', 1)", (round + 1) % 3),
                ];
                if number.is_multiple_of(2) {
                    statements.reverse();
                }
                done(&mut conn, &format!("BEGIN; {}; COMMIT", statements.join("; "))).await;
            }
        };
        tokio::join!(writer(1), writer(2), writer(3), writer(4));
        shop.is_exact("in the end").await;
        assert_eq!(shop.value("SELECT sum(n) FROM by_kind").await, (40 + 4 * 80).to_string());
    });
}

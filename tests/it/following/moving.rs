//! Bounds that move with the clock.

use datamart::refresh::{Method, RunStatus};

use super::shop::Shop;
use crate::support::database::run;

/// On the edge of a bound that stood still, nothing crossed it.
#[test]
fn a_bound_that_nothing_crossed_is_nothing_to_do() {
    run(async {
        let seed = "CREATE TABLE orders (id int PRIMARY KEY, region text, at date);
            INSERT INTO orders SELECT n, 'north', current_date - n % 4 FROM generate_series(1, 40) AS n;";
        let query = "SELECT region, at, count(*) AS n FROM orders WHERE at >= current_date - 2 GROUP BY region, at";
        let shop = Shop::of(seed, query, "").await;
        assert_eq!(shop.nothing().await.reason, "nothing changed");
        let verified = shop.verified(None).await;
        assert_eq!((verified.same, verified.rows, verified.pending_keys), (true, 3, Some(0)), "{verified:#?}");
        // Two days later: nothing was written, and the rows of two days leave, each a key.
        shop.script("UPDATE orders SET at = at - 2").await;
        shop.script("UPDATE mart SET at = at - 2").await;
        shop.script("UPDATE datamart.positions SET at = at - interval '2 days', snapshot = pg_current_snapshot()")
            .await;
        let run = shop.refreshed().await;
        assert_eq!((run.status, run.method), (RunStatus::Success, Some(Method::Changes)), "{run:#?}");
        assert_eq!((run.rows_deleted, run.rows_inserted), (Some(2), Some(0)), "{run:#?}");
        let keys = run.decision.as_ref().and_then(|decision| decision["keys"].as_u64());
        assert_eq!(keys, Some(2), "{run:#?}");
        shop.is_exact().await;
        assert_eq!(shop.nothing().await.reason, "nothing changed");
    });
}

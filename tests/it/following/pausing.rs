//! What has to be computed whole while nothing may be.

use datamart::manifest::PauseWhen;
use datamart::refresh::{Asked, Options, RunStatus};

use super::shop::Shop;
use crate::support::database::run;
use crate::support::project::refresh_options;

/// Whoever tries again and again says it once.
#[test]
fn what_waits_for_quiet_is_told_once() {
    run(async {
        let shop = Shop::new("").await;
        shop.refreshed().await;
        let mut other = shop.database.session().await;
        let busy = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_catalog.pg_current_xact_id()";
        sqlx::raw_sql(busy).execute(&mut other).await.expect("a transaction");
        shop.script("TRUNCATE orders").await;
        let pause_when = PauseWhen { xmin_age: Some(0), ..PauseWhen::default() };
        let options = Options { pause_when, ..refresh_options() };
        let runs = "SELECT count(*) FROM datamart.refreshes WHERE status IN ('skipped', 'running')";
        let run = shop.asked(Asked::default(), &options).await;
        assert!(run.is_paused() && run.reason.contains("; paused: "), "{run:#?}");
        assert_eq!(shop.database.value(runs).await, "1");
        let run = shop.asked(Asked { waits: true, ..Asked::default() }, &options).await;
        assert_eq!((run.status, run.run), (RunStatus::Skipped, 0), "{run:#?}");
        assert_eq!(shop.database.value(runs).await, "1");
    });
}

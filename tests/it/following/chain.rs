//! Marts that follow marts.

use datamart::plan;
use datamart::refresh::{self, Asked, How, Method, Run, RunStatus};

use super::shop::ORDERS;
use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::{self, converge, refresh_options};

fn mart(query: &str, key: &str) -> String {
    format!("type = \"table\"\nquery = \"{query}\"\nprimary_key = [\"{key}\"]\n[refresh]\nstrategy = \"incremental\"\n")
}

async fn all(database: &Database, folder: &Folder, how: How) -> Vec<Run> {
    let desired = project::load(folder.path());
    let mut conn = database.session().await;
    let mut items = project::items(&mut conn, &desired).await;
    items.iter_mut().for_each(|item| item.asked = Asked { how, ..Asked::default() });
    let runs = refresh::refresh(&database.endpoint, &items, &refresh_options(), &|| false, &mut |_| {}).await;
    for mart in &desired.marts {
        project::is_its_query(&mut conn, &mart.mart).await;
    }
    runs.unwrap_or_else(|error| panic!("{error}"))
}

fn went(runs: &[Run]) -> Vec<(Option<Method>, RunStatus)> {
    runs.iter().map(|run| (run.method, run.status)).collect()
}

#[test]
fn a_level_that_did_not_change_stops_the_others() {
    run(async {
        let database = Database::new().await;
        database.script(ORDERS).await;
        let folder = Folder::of(&[
            ("a.toml", &mart("SELECT id, coalesce(region, 'none') AS region, amount > 4 AS large FROM orders", "id")),
            (
                "b.toml",
                &mart(
                    "SELECT region, count(*) AS n, count(*) FILTER (WHERE large) AS large FROM a GROUP BY region",
                    "region",
                ),
            ),
            ("c.toml", &mart("SELECT large, count(*) AS regions FROM b GROUP BY large", "large")),
        ]);
        converge(&database, folder.path(), &plan::Options::default()).await;
        // The logs of marts come last in an apply: what reads them is computed once more.
        all(&database, &folder, How::AsDeclared).await;
        let (changes, noop) = (Some(Method::Changes), RunStatus::Noop);
        assert_eq!(went(&all(&database, &folder, How::AsDeclared).await), [(changes, noop); 3]);
        database.script("INSERT INTO orders VALUES (9, 'north', 5)").await;
        assert_eq!(went(&all(&database, &folder, How::AsDeclared).await), [(changes, RunStatus::Success); 3]);
        database.script("UPDATE orders SET amount = 6 WHERE id = 9").await;
        let runs = all(&database, &folder, How::AsDeclared).await;
        assert_eq!(went(&runs), [(changes, RunStatus::Success), (changes, noop), (changes, noop)]);
        assert_eq!(runs[0].rows_updated, Some(0));
        // Computed whole it is merged, and those that follow it go on.
        database.script("DELETE FROM orders WHERE id = 9").await;
        let desired = project::load(folder.path());
        let mut conn = database.session().await;
        let mut items = project::items(&mut conn, &desired).await;
        items[0].asked.how = How::Full;
        let runs = refresh::refresh(&database.endpoint, &items, &refresh_options(), &|| false, &mut |_| {}).await;
        let runs = runs.unwrap_or_else(|error| panic!("{error}"));
        let success = RunStatus::Success;
        assert_eq!(went(&runs), [(Some(Method::Merge), success), (changes, success), (changes, success)], "{runs:#?}");
        all(&database, &folder, How::AsDeclared).await;
    });
}

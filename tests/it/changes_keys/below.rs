//! Marts that read marts.

use datamart::plan::{Options, RecordRow};

use super::shapes::TABLES;
use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project;

fn manifest(query: &str, more: &str) -> String {
    format!(
        "type = \"table\"\nquery = '''{query}'''\n{more}\n[refresh.incremental]\nmethod = \"changes\"\n[refresh]\nstrategy = \"incremental\"\n"
    )
}

/// The sources that the plan names for a mart.
async fn sources(database: &Database, folder: &Folder, mart: &str) -> Vec<String> {
    let desired = project::load(folder.path());
    let mut conn = database.session().await;
    let plan = project::plan(&mut conn, &desired, &Options::default()).await.unwrap_or_else(|error| panic!("{error}"));
    let of_mart = plan.records.iter().filter(|record| record.of().to_string() == mart);
    let changes = of_mart.filter_map(|record| match &record.row {
        RecordRow::Upsert { changes, .. } => changes.as_deref(),
        _ => None,
    });
    changes.flat_map(|changes| changes.sources.iter().map(|source| source.table.to_string())).collect()
}

#[test]
fn a_mart_follows_the_rows_of_another_and_of_a_fresh_one_its_query() {
    run(async {
        let database = Database::new().await;
        database.script(TABLES).await;
        let base =
            manifest("SELECT c_id, count(*) AS n FROM orders WHERE c_id > 0 GROUP BY 1", "primary_key = [\"c_id\"]");
        let above = manifest("SELECT b.c_id, b.n, c.region FROM base b JOIN customers c ON c.id = b.c_id", "");
        let folder = Folder::of(&[("base.toml", &base), ("above.toml", &above)]);
        assert_eq!(sources(&database, &folder, "public.above").await, ["public.base", "public.customers"]);
        folder.write("base.toml", &base.replace("strategy", "fresh = true\nstrategy"));
        assert_eq!(sources(&database, &folder, "public.above").await, ["public.orders", "public.customers"]);
    });
}

//! From a manifest that says `fresh = true` to the view, and back.

use datamart::plan::{self, Heal, Options, attach_log, create_log};
use datamart::state::{ChangeLog, ChangeSource, Changes, LoggedColumn, QName};

use super::shop::key;
use crate::support::database::{Database, run};
use crate::support::folder::Folder;
use crate::support::project::{self, converge};

const SEED: &str = "CREATE TABLE orders (id int PRIMARY KEY, region text, amount numeric NOT NULL); CREATE INDEX ON orders (region);
    INSERT INTO orders SELECT n, (ARRAY['north', 'south', 'west', NULL])[n % 4 + 1], n FROM generate_series(1, 8) AS n;";

const QUERY: &str = "SELECT region, count(*) AS n, sum(amount) AS total FROM public.orders GROUP BY region";

fn manifest(more: &str, refresh: &str) -> String {
    format!("type = \"table\"\nquery = \"{QUERY}\"\n{more}\n[refresh]\n{refresh}\n[versions]\nkeep = 2\n")
}

fn changes() -> Changes {
    let region = LoggedColumn { name: "region".into(), type_name: "text".into() };
    Changes {
        key: vec![key("region", "text")],
        sources: vec![ChangeSource {
            table: QName::new("public", "orders"),
            columns: vec![region],
            affected: Some("SELECT DISTINCT d.region FROM {delta:0} AS d".into()),
        }],
        query: QUERY.to_owned(),
        ..Changes::default()
    }
}

/// A versioned mart whose changes are followed, as its registry says.
async fn followed() -> (Database, Folder) {
    let database = Database::new().await;
    database.script(SEED).await;
    let folder = follow(&database, "").await;
    (database, folder)
}

async fn follow(database: &Database, more: &str) -> Folder {
    let folder = Folder::of(&[("sales.toml", &manifest(more, "strategy = \"manual\""))]);
    converge(database, folder.path(), &Options::default()).await;
    let source = &changes().sources[0];
    let log = ChangeLog {
        registry: "datamart".into(),
        project: "default".into(),
        table: source.table.clone(),
        columns: source.columns.clone(),
        logged: false,
    };
    let statements = create_log(&log).into_iter().chain(attach_log(&log, &log.table));
    database.script(&statements.map(|sql| format!("{sql};\n")).collect::<String>()).await;
    let json = serde_json::to_string(&changes()).unwrap().replace('\'', "''");
    database
        .script(&format!(
            "UPDATE datamart.versions SET applied = jsonb_set(applied, '{{changes}}', '{json}');
             INSERT INTO datamart.positions (project, schema, name, snapshot, at, fingerprint)
             SELECT 'default', 'public', 'sales_v1', pg_current_snapshot(), now(), jsonb_build_object(
               'system', (SELECT system_identifier::text FROM pg_control_system()),
               'sources', jsonb_build_array(jsonb_build_object('table', 'public.orders', 'generation', generation)))::text
             FROM datamart.captures"
        ))
        .await;
    folder
}

async fn fresh(folder: &Folder, database: &Database, more: &str) -> plan::Plan {
    folder.write("sales.toml", &manifest(more, "fresh = true"));
    let plan = converge(database, folder.path(), &Options::default()).await;
    settled(database, folder).await;
    plan
}

async fn settled(database: &Database, folder: &Folder) {
    let desired = project::load(folder.path());
    let mut conn = database.session().await;
    let plan = project::plan(&mut conn, &desired, &Options::default()).await.unwrap_or_else(|e| panic!("{e}"));
    assert!(plan.changes.is_empty() && plan.drift.is_empty(), "{:#?}\n{:#?}", plan.changes, plan.drift);
}

async fn north(database: &Database) -> String {
    database.value("SELECT n FROM sales WHERE region = 'north'").await
}

#[test]
fn a_mart_becomes_fresh_and_what_reads_it_stays() {
    run(async {
        let (database, folder) = followed().await;
        database
            .script("CREATE VIEW report AS SELECT sum(n) AS n FROM sales; INSERT INTO orders VALUES (9, 'north', 1)")
            .await;
        assert_eq!(north(&database).await, "2");
        let plan = fresh(&folder, &database, "").await;
        assert_eq!(plan.changes.len(), 1, "{:#?}", plan.changes);
        assert!(!plan.steps.iter().any(|step| step.sql.contains("CREATE TABLE")), "{:#?}", plan.steps);
        assert_eq!(north(&database).await, "3");
        database.script("INSERT INTO orders VALUES (10, 'new', 1); DELETE FROM orders WHERE region IS NULL").await;
        let mut conn = database.session().await;
        for mart in project::load(folder.path()).marts {
            project::is_its_query(&mut conn, &mart.mart).await;
        }
        assert_eq!(database.value("SELECT n FROM report").await, "8");
        // And back: rows as of the last refresh.
        folder.write("sales.toml", &manifest("", "strategy = \"manual\""));
        converge(&database, folder.path(), &Options::default()).await;
        settled(&database, &folder).await;
        assert_eq!((north(&database).await, database.value("SELECT n FROM report").await), ("2".into(), "8".into()));
    });
}

#[test]
fn another_view_of_that_name_is_drift() {
    run(async {
        let (database, folder) = followed().await;
        fresh(&folder, &database, "").await;
        database.script("CREATE OR REPLACE VIEW sales AS SELECT * FROM sales_v1").await;
        let desired = project::load(folder.path());
        let mut conn = database.session().await;
        let plan = project::plan(&mut conn, &desired, &Options::default()).await.unwrap();
        let drift: Vec<(&str, &str)> = plan.drift.iter().map(|d| (d.address.as_str(), d.aspect.as_str())).collect();
        assert_eq!((drift, plan.changes.len()), (vec![("public.sales", "definition")], 0));
        converge(&database, folder.path(), &Options { heal: Heal::All, ..Options::default() }).await;
        settled(&database, &folder).await;
        database.script("INSERT INTO orders VALUES (9, 'north', 1)").await;
        assert_eq!(north(&database).await, "3");
    });
}

#[test]
fn its_owner_reads_the_logs_and_its_readers_nothing_else() {
    run(async {
        let database = Database::new().await;
        database.script(SEED).await;
        let (owner, reader) = (format!("{}_owner", database.name), format!("{}_reader", database.name));
        database
            .script(&format!(
                "CREATE ROLE {owner}; CREATE ROLE {reader}; GRANT ALL ON SCHEMA public TO {owner}; GRANT SELECT ON orders TO {owner}"
            ))
            .await;
        let more = format!("owner = \"{owner}\"\n[[grants]]\nrole = \"{reader}\"\nprivileges = [\"SELECT\"]");
        let folder = follow(&database, &more).await;
        fresh(&folder, &database, &more).await;
        database.script("INSERT INTO orders VALUES (9, 'north', 1)").await;
        let mut conn = database.session().await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("SET ROLE {reader}"))).execute(&mut conn).await.unwrap();
        let read = "SELECT n FROM public.sales WHERE region = 'north'";
        assert_eq!(sqlx::query_scalar::<_, i64>(read).fetch_one(&mut conn).await.unwrap(), 3);
        for table in
            ["public.orders", "datamart.changes_default_public_orders_0", "datamart.positions", "datamart.marts"]
        {
            let denied = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("SELECT FROM {table}")))
                .execute(&mut conn)
                .await
                .unwrap_err();
            assert!(denied.to_string().contains("permission denied"), "{denied}");
        }
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("RESET ROLE; SET ROLE {owner}"))).execute(&mut conn).await.unwrap();
        let denied = sqlx::raw_sql("SELECT FROM datamart.marts").execute(&mut conn).await.unwrap_err();
        assert!(denied.to_string().contains("permission denied"), "{denied}");
    });
}

#[test]
fn what_cannot_be_followed_cannot_be_fresh() {
    run(async {
        let database = Database::new().await;
        database.script(SEED).await;
        let folder = Folder::of(&[(
            "sales.toml",
            &manifest("", "fresh = true").replace("GROUP BY region", "GROUP BY region, random()"),
        )]);
        let desired = project::load(folder.path());
        let mut conn = database.session().await;
        let error = project::plan(&mut conn, &desired, &Options::default()).await.unwrap_err();
        assert!(format!("{error:?}").contains("cannot follow what changes in its sources"), "{error:?}");
    });
}

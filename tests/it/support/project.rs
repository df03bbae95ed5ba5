//! From a folder of manifests to a plan, and on to an apply, as the commands do it.

use std::fmt::Write as _;
use std::path::Path;

use chrono::Utc;
use datamart::apply::{self, ApplyError, By};
use datamart::catalog::{Actual, introspect};
use datamart::compile::{compile, follow, needed};
use datamart::database::registry;
use datamart::manifest::{self, Desired, LoadOptions, ManifestError};
use datamart::plan::{self, Options, Plan, PlanError};
use datamart::sql::retained;
use datamart::state::{Mart, quote_ident, quote_literal};
use sqlx::{AssertSqlSafe, PgConnection};

use super::database::Database;

pub fn load(dir: &Path) -> Desired {
    match try_load(dir) {
        Ok(desired) => desired,
        Err(ManifestError::Invalid { problems }) => panic!("{}", manifest::render(&problems, false)),
        Err(error) => panic!("{error}"),
    }
}

pub fn try_load(dir: &Path) -> Result<Desired, ManifestError> {
    manifest::load(&LoadOptions { dir: dir.to_owned(), ..LoadOptions::default() })
}

pub async fn actual(conn: &mut PgConnection, desired: &Desired) -> Actual {
    sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL TimeZone = 'UTC'")
        .execute(&mut *conn)
        .await
        .expect("a snapshot");
    let schema = desired.project.registry_schema.clone();
    let known = registry::state(conn, &schema).await.expect("a registry").usable(&schema).expect("a usable registry");
    let scope = plan::scope(desired, known.map(|_| schema));
    let mut actual = introspect(conn, &scope).await.expect("an introspection");
    // What a plan says of partitions to come is the same every day.
    actual.server.now = "2026-06-15T12:00:00Z".parse().expect("an instant");
    sqlx::raw_sql("COMMIT").execute(conn).await.expect("a commit");
    actual
}

pub async fn plan(conn: &mut PgConnection, desired: &Desired, options: &Options) -> Result<Plan, PlanError> {
    let actual = actual(conn, desired).await;
    let parts = plan::parts(desired, &actual);
    let (desired, actual) = (&*parts.desired, &*parts.actual);
    let wanted = needed(&desired.marts, actual);
    let marts: Vec<_> = desired.marts.iter().filter(|m| wanted.contains(&m.mart.name)).collect();
    let compiled = match compile(conn, &marts, 3_000).await {
        Ok(compiled) => compiled,
        Err(error) => panic!("{error:?}"),
    };
    let following = plan::following(desired, &compiled, actual, options);
    let followed = follow(conn, &following.asked(), &compiled, 3_000).await;
    let compiled = followed.unwrap_or_else(|error| panic!("{error:?}"));
    plan::plan(desired, &compiled, actual, options, Utc::now())
}

pub async fn apply(conn: &mut PgConnection, plan: &Plan, desired: &Desired) -> Result<apply::Applied, ApplyError> {
    let by = By { who: "test".into(), host: "here".into(), application: "tests".into(), holder: None, sessions: None };
    apply::apply(conn, plan, &desired.project.registry_schema, &by, &mut |_| {}).await
}

/// Plans and applies, and panics where either fails.
pub async fn converge(database: &Database, dir: &Path, options: &Options) -> Plan {
    let desired = load(dir);
    let mut conn = database.session().await;
    let plan = plan(&mut conn, &desired, options).await.unwrap_or_else(|e| panic!("{e}"));
    apply(&mut conn, &plan, &desired).await.unwrap_or_else(|e| panic!("{e:#?}"));
    plan
}

/// What a refresh of every mart with rows would work on.
pub async fn items(conn: &mut PgConnection, desired: &Desired) -> Vec<datamart::refresh::Item> {
    let actual = actual(conn, desired).await;
    let mut items = Vec::new();
    // Manifests stand upstream first; everything that stands above may be read.
    let mut above = Vec::new();
    for mart in &desired.marts {
        let recorded = actual.recorded.get(&mart.mart.name).expect("an applied mart").clone();
        let upstream = mart.upstream.iter().filter(|up| above.contains(*up)).cloned().collect();
        items.push(datamart::refresh::Item::new(&recorded, &actual, upstream));
        above.push(mart.mart.name.clone());
    }
    items
}

/// How the tests refresh.
pub fn refresh_options() -> datamart::refresh::Options {
    datamart::refresh::Options {
        parallel: 2,
        lock_timeout_ms: 20_000,
        publish_lock_timeout_ms: 100,
        requested_by: "test".into(),
        registry: "datamart".into(),
        project: "default".into(),
        ..Default::default()
    }
}

/// Refreshes every mart of a folder, upstream first.
pub async fn refresh(
    database: &Database,
    dir: &Path,
    options: &datamart::refresh::Options,
) -> Vec<datamart::refresh::Run> {
    let desired = load(dir);
    let mut conn = database.session().await;
    let items = items(&mut conn, &desired).await;
    datamart::refresh::refresh(&database.endpoint, &items, options, &|| false, &mut |_| {})
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Panics unless the mart's rows are those of its query now.
pub async fn is_its_query(conn: &mut PgConnection, mart: &Mart) {
    let mut sql = String::from("BEGIN;");
    for (key, value) in mart.settings() {
        let (key, value) = (quote_literal(&key), quote_literal(&value));
        let _ = write!(sql, "SELECT set_config({key}, {value}, true);");
    }
    let relation = (&mart.name.schema, &mart.name.name);
    let owner: String = sqlx::query_scalar(
        "SELECT pg_get_userbyid(c.relowner)::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relname = $2",
    )
    .bind(relation.0)
    .bind(relation.1)
    .fetch_one(&mut *conn)
    .await
    .expect("the mart");
    let _ = write!(sql, "SET LOCAL ROLE {};", quote_ident(&owner));
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *conn).await.expect("the mart's settings");
    let types: Vec<(String, String)> = sqlx::query_as(
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0",
    )
    .bind(mart.name.to_string())
    .fetch_all(&mut *conn)
    .await
    .expect("the mart's columns");
    let type_of = |name: &str| types.iter().find(|(column, _)| column == name).map(|(_, type_name)| type_name.clone());
    let query = retained(mart, &mart.query, type_of);
    let (is, should) =
        (format!("SELECT t::text FROM {} AS t", mart.name), format!("SELECT t::text FROM ({query}\n) AS t"));
    let differences =
        format!("SELECT count(*) FROM (({is} EXCEPT ALL {should}) UNION ALL ({should} EXCEPT ALL {is})) AS d");
    let row = sqlx::query(AssertSqlSafe(differences))
        .fetch_one(&mut *conn)
        .await
        .unwrap_or_else(|e| panic!("{}: {e}", mart.name));
    assert_eq!(sqlx::Row::get::<i64, _>(&row, 0), 0, "{} is not its query", mart.name);
    sqlx::raw_sql("ROLLBACK").execute(conn).await.expect("a rollback");
}

//! A mart looked at again: while a run waits for the mart's lock or computes rows, others change the mart and what hangs on it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::still::still;
use super::{Item, Options};
use crate::catalog::{Actual, CatalogError, Recorded, Relation, Server, recorded, relations};
use crate::database::{ErrorKind, SqlError};
use crate::state::{QName, quote_ident};

/// The mart as it is now; `None` where it is none any more. Whoever had the lock before may have made another version of it, have applied
/// another query, or have dropped it.
pub(super) async fn again(conn: &mut PgConnection, item: &Item, options: &Options) -> Result<Option<Item>, SqlError> {
    match still(conn, item, options).await? {
        Some(item) => Ok(Some(item)),
        None => Ok(whole(conn, item, options, &BTreeSet::new()).await?.map(|(item, _)| item)),
    }
}

/// As [`again`], with all that hangs on it; and `others`, as far as they are there.
async fn whole(
    conn: &mut PgConnection,
    item: &Item,
    options: &Options,
    others: &BTreeSet<QName>,
) -> Result<Option<(Item, HashMap<QName, Relation>)>, SqlError> {
    // Definitions need a lock that somebody's ALTER TABLE, or LOCK, keeps from us. The statements are planned once in a session: that takes
    // much longer than to run them for a few names.
    let begin = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = {}; \
         SET LOCAL plan_cache_mode = force_generic_plan",
        options.lock_timeout_ms
    );
    sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut *conn).await?;
    let found = look(conn, item, options, others).await;
    sqlx::raw_sql("ROLLBACK").execute(conn).await?;
    found
}

async fn look(
    conn: &mut PgConnection,
    item: &Item,
    options: &Options,
    others: &BTreeSet<QName>,
) -> Result<Option<(Item, HashMap<QName, Relation>)>, SqlError> {
    let Some(changed_at) = changed_at(conn, &item.mart, options).await? else { return Ok(None) };
    published(conn, item).await?;
    let known = item.series.as_ref().map(|series| series.row().clone());
    let row = match known {
        _ if changed_at != item.recorded.changed_at => {
            let rows = recorded(conn, &options.registry, &options.project).await.map_err(unreadable)?;
            match rows.get(&item.mart) {
                Some(row) => row.clone(),
                None => return Ok(None),
            }
        }
        Some(row) => row,
        None => {
            let (found, others) = by_name(conn, [item.recorded.mart.name.clone()].into(), others).await?;
            return Ok(Some((Item { live: found.into_values().next(), ..item.clone() }, others)));
        }
    };
    let names = row.versions.iter().map(|version| version.mart.name.clone()).chain([row.mart.name.clone()]);
    let (found, others) = by_name(conn, names.collect(), others).await?;
    let version_num = conn.server_version_num().and_then(|number| i32::try_from(number).ok()).unwrap_or_default();
    let actual = Actual {
        server: Server { version_num, ..Server::default() },
        relations: found,
        recorded: BTreeMap::from([(item.mart.clone(), row.clone())]),
        ..Actual::default()
    };
    let (asked, logged, feeds) = (item.asked.clone(), item.logged, item.feeds);
    Ok(Some((Item { asked, logged, feeds, ..Item::new(&row, &actual, item.upstream.clone()) }, others)))
}

/// The mart is there by the name that it is read by, wherever its rows are.
///
/// # Errors
/// It is not.
pub(super) async fn published(conn: &mut PgConnection, item: &Item) -> Result<(), SqlError> {
    let (mart, rows) = (&item.mart, &item.recorded.mart.name);
    if mart == rows {
        return Ok(());
    }
    let sql = "SELECT pg_catalog.to_regclass($1) IS NOT NULL";
    if sqlx::query_scalar(sql).bind(mart.to_string()).fetch_one(conn).await? {
        return Ok(());
    }
    Err(SqlError::new(ErrorKind::Missing, format!("{mart} is not there, only its rows, {rows}"))
        .hinted("`datamart apply` makes it again"))
}

/// What is there of `names`, and of `others`.
async fn by_name(
    conn: &mut PgConnection,
    names: BTreeSet<QName>,
    others: &BTreeSet<QName>,
) -> Result<(HashMap<QName, Relation>, HashMap<QName, Relation>), SqlError> {
    let all = names.union(others).cloned().collect();
    let found = relations(conn, &all, &BTreeSet::new()).await.map_err(unreadable)?;
    Ok(found.into_iter().partition(|(name, _)| names.contains(name)))
}

async fn changed_at(
    conn: &mut PgConnection,
    mart: &QName,
    options: &Options,
) -> Result<Option<DateTime<Utc>>, SqlError> {
    let sql = include_str!("sql/changed_at.sql").replace("{registry}", &quote_ident(&options.registry));
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(&options.project)
        .bind(&mart.schema)
        .bind(&mart.name)
        .fetch_optional(conn)
        .await?;
    row.map(|row| Ok(row.try_get(0)?)).transpose()
}

/// What hangs on the mart now that its rows are computed: rights, policies and readers that came meanwhile go along too.
pub(super) async fn before_publishing(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    options: &Options,
) -> Result<(Item, Relation), SqlError> {
    let (now, is, _) = before_exchanging(conn, item, live, options, &BTreeSet::new()).await?;
    Ok((now, is))
}

/// As [`before_publishing`], with some partitions of the mart.
pub(super) async fn before_exchanging(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    options: &Options,
    partitions: &BTreeSet<QName>,
) -> Result<(Item, Relation, HashMap<QName, Relation>), SqlError> {
    let now = whole(conn, item, options, partitions).await?;
    let (now, partitions) =
        now.ok_or_else(|| changed(&item.mart, "was dropped or renamed while its rows were computed"))?;
    let same = |is: &&Relation| is.oid == live.oid && is.signature() == live.signature() && is.owner == live.owner;
    let unmoved = |was: &Recorded, is: &Recorded| was.changed_at == is.changed_at;
    match now.live.as_ref().filter(same).cloned() {
        Some(is) if unmoved(&item.recorded, &now.recorded) => Ok((now, is, partitions)),
        _ => Err(changed(&item.mart, "changed while its rows were computed; the old rows stay, refresh it again")),
    }
}

fn changed(mart: &QName, what: &str) -> SqlError {
    SqlError::new(ErrorKind::Conflict, format!("{mart} {what}"))
}

fn unreadable(error: CatalogError) -> SqlError {
    match error {
        CatalogError::Sql(error) => error,
        error => SqlError::new(ErrorKind::Internal, error.to_string()),
    }
}

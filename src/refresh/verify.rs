//! A mart compared with its query, row by row. What waits for a refresh is left out, where the logs of changes tell it.

use serde::Serialize;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::again::published;
use super::alike::alike;
use super::changes::{self, Waiting};
use super::one::frame;
use super::part::type_of;
use super::{Item, Options};
use crate::build::{self, SessionState};
use crate::catalog::{Column, Relation};
use crate::database::{ErrorKind, SqlError};
use crate::sql::{retained, unfrozen};
use crate::state::{Kind, quote_ident};

/// So many rows of each kind are shown.
const SHOWN: usize = 5;

/// A row that is shown: a column of that name would be taken for it.
const ROW: &str = "datamart_row";

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verified {
    /// The mart.
    pub mart: String,
    /// Every row that was compared is a row of the query, and the other way round.
    pub same: bool,
    /// Rows of the mart that were compared.
    pub rows: i64,
    /// Rows of the query that were compared.
    pub expected: i64,
    /// Rows of the query that the mart has not, or not as often.
    pub missing: i64,
    /// Rows of the mart that the query has not, or not as often.
    pub extra: i64,
    /// Rows that differ in the last digits of floating-point numbers and in nothing else, which is no difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_digits: Option<i64>,
    /// Some of the missing ones.
    pub missing_sample: Vec<Value>,
    /// Some of those that are too many.
    pub extra_sample: Vec<Value>,
    /// Keys that were left out because changes of the sources wait for a refresh; `None` where nobody knows.
    pub pending_keys: Option<u64>,
    /// The part of the keys that was compared, in percent, where not all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<f64>,
}

/// Compares a mart's rows with its query in one snapshot, as its owner; of its keys only `sample` percent, where that is given. `user` is
/// the role of the connection.
///
/// # Errors
/// What the server says; a mart that is not there, or has no rows of its own.
pub async fn verify(
    conn: &mut PgConnection,
    item: &Item,
    options: &Options,
    user: &str,
    sample: Option<f64>,
) -> Result<Verified, SqlError> {
    let name = &item.mart;
    let live = item.live.as_ref().filter(|live| live.kind.is(item.recorded.mart.kind));
    let live = live.ok_or_else(|| SqlError::new(ErrorKind::Missing, format!("{name} is not there")))?;
    if item.recorded.mart.kind == Kind::View {
        return Err(SqlError::new(ErrorKind::Conflict, format!("{name} is a view: it has no rows of its own")));
    }
    published(conn, item).await?;
    as_applied(item, live)?;
    let compared = compare(conn, item, live, options, (user, sample), "").await;
    match compared {
        // Values of a type that cannot be compared are as they are written.
        Err(error) if error.is("42883") => compare(conn, item, live, options, (user, sample), "::text").await,
        compared => compared,
    }
}

/// Its columns are those of its query, as it was applied: rows without a column, or of another type, are compared with nothing.
fn as_applied(item: &Item, live: &Relation) -> Result<(), SqlError> {
    let told = |columns: &[Column]| -> Vec<String> {
        columns.iter().map(|column| format!("{} {}", quote_ident(&column.name), column.type_name)).collect()
    };
    let (is, should) = (told(&live.columns), told(&item.recorded.applied.columns));
    if is == should {
        return Ok(());
    }
    let (is, should) = (is.join(", "), should.join(", "));
    let message = format!("{} has other columns ({is}) than were applied ({should})", live.name);
    Err(SqlError::new(ErrorKind::Conflict, message)
        .hinted("`datamart drift` shows who changed what; `datamart apply --heal` puts it back"))
}

async fn compare(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    options: &Options,
    (user, sample): (&str, Option<f64>),
    cast: &str,
) -> Result<Verified, SqlError> {
    let frame = frame(&item.recorded.mart, live, options, user);
    let outcome = async {
        let waiting = changes::waiting(conn, item, live, options, &frame).await?;
        let mut session = SessionState::in_transaction();
        session.enter(conn, &frame).await?;
        let rows = Compared::of(item, live, waiting.as_ref(), sample);
        let sql = rows.statement(live, cast);
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        let query = waiting.iter().fold(query, |query, waiting| waiting.bind(query));
        let row = query.fetch_one(&mut *conn).await?;
        let (mut missing, mut extra): (i64, i64) = (row.try_get("missing")?, row.try_get("extra")?);
        let mut last_digits = None;
        if missing == extra
            && missing > 0
            && let Some(sql) = rows.alike(live)
        {
            let query = sqlx::query(AssertSqlSafe(sql)).persistent(false);
            let query = waiting.iter().fold(query, |query, waiting| waiting.bind(query));
            if query.fetch_one(&mut *conn).await?.try_get(0)? {
                last_digits = Some(missing);
                (missing, extra) = (0, 0);
            }
        }
        let same = missing == 0 && extra == 0;
        let shown = |column: &str| {
            let rows = if same { None } else { row.try_get::<Option<Vec<Value>>, _>(column)? };
            Ok::<_, sqlx::Error>(rows.unwrap_or_default())
        };
        Ok(Verified {
            mart: item.mart.to_string(),
            same,
            rows: row.try_get("rows")?,
            expected: row.try_get("expected")?,
            missing,
            extra,
            last_digits,
            missing_sample: shown("missing_sample")?,
            extra_sample: shown("extra_sample")?,
            pending_keys: waiting.as_ref().map(Waiting::keys),
            sample,
        })
    }
    .await;
    build::close(conn, outcome).await
}

/// What is compared: the mart's query, and a condition on rows of `q`, with its WHERE.
struct Compared {
    /// What has the rows.
    from: String,
    query: String,
    which: String,
}

impl Compared {
    fn of(item: &Item, live: &Relation, waiting: Option<&Waiting>, sample: Option<f64>) -> Self {
        let mart = &item.recorded.mart;
        let type_of = |name: &str| type_of(live, name);
        let mut conditions: Vec<String> = unfrozen(mart, "q", type_of).into_iter().collect();
        conditions.extend(waiting.and_then(|waiting| waiting.without("q")));
        conditions.extend(sample.map(|percent| sampled(item, live, percent)));
        let which = if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
        // Where the logs do not tell what waits, readers of a fresh mart are not given its rows.
        let read = waiting.is_none() && mart.refresh.fresh;
        let from = if read { &item.mart } else { &live.name }.to_string();
        Self { from, query: format!("(\n{}\n)", retained(mart, &mart.query, type_of).trim()), which }
    }

    /// Which rows of either are not in the other.
    fn statement(&self, live: &Relation, cast: &str) -> String {
        let columns: Vec<String> =
            live.columns.iter().map(|column| format!("q.{0}{cast} AS {0}", quote_ident(&column.name))).collect();
        let rows = |from: &str| format!("SELECT {} FROM {from} AS q{}", columns.join(", "), self.which);
        let shown = |from: &str| {
            format!(
                "(SELECT pg_catalog.array_agg(pg_catalog.to_jsonb({ROW})) FROM (SELECT * FROM {from} LIMIT {SHOWN}) AS {ROW})"
            )
        };
        format!(
            "WITH has AS MATERIALIZED ({}),\nshould AS MATERIALIZED ({}),\n\
             missing AS MATERIALIZED (SELECT * FROM should EXCEPT ALL SELECT * FROM has),\n\
             extra AS MATERIALIZED (SELECT * FROM has EXCEPT ALL SELECT * FROM should)\n\
             SELECT (SELECT pg_catalog.count(*) FROM has) AS rows, (SELECT pg_catalog.count(*) FROM should) AS expected,\n\
             (SELECT pg_catalog.count(*) FROM missing) AS missing, (SELECT pg_catalog.count(*) FROM extra) AS extra,\n\
             {} AS missing_sample, {} AS extra_sample",
            rows(&self.from),
            rows(&self.query),
            shown("missing"),
            shown("extra"),
        )
    }

    /// Whether they are the same but for last digits.
    fn alike(&self, live: &Relation) -> Option<String> {
        alike(&live.columns, &self.from, &self.query, "q", &self.which)
    }
}

/// Keys are spread over so many numbers: enough for a millionth of a percent.
const HASHES: f64 = 1e10;

/// Some of the keys, the same ones in the mart and in its query.
fn sampled(item: &Item, live: &Relation, percent: f64) -> String {
    let followed = item.recorded.applied.changes.as_ref().map(|c| c.key.iter().map(|key| key.name.clone()).collect());
    let primary = || live.primary_key().map(|(_, index)| index.keys.clone());
    let all = || live.columns.iter().map(|column| column.name.clone()).collect();
    let key: Vec<String> = followed.or_else(primary).unwrap_or_else(all);
    let key: Vec<String> = key.iter().map(|column| format!("q.{}", quote_ident(column))).collect();
    let most = (percent / 100.0 * HASHES).round().clamp(1.0, HASHES);
    format!("pg_catalog.abs(pg_catalog.hashtextextended(ROW({})::text, 0) % {HASHES}) < {most}", key.join(", "))
}

//! The rows of two relations, compared in one snapshot. The server does the work: counts and a few rows come back.

mod side;
mod text;

use serde::Serialize;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use self::side::Columns;
use super::copy::close;
use super::exact::exact;
use super::session::{Frame, SessionState};
use crate::database::{ErrorKind, SqlError};
use crate::state::{QName, quote_ident, quote_literal};

pub use self::side::{ComparedColumn, TypeChange};

/// How often it is tried to see two relations in one snapshot while one of them is rewritten again and again.
const TRIES: usize = 5;

/// How rows find each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "by", content = "key")]
pub enum ComparedBy {
    /// By the values of these columns.
    Key(Vec<String>),
    /// As multisets: a row that stands twice in one and once in the other differs once.
    Rows,
    /// Not at all: they have no column in common.
    Nothing,
}

/// Rows that only one of the two has.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct OnlyIn {
    /// How many.
    pub count: i64,
    /// Some of them, each by column; a row that is there too often stands here once.
    pub sample: Vec<Value>,
}

/// How often a column's value is another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedColumn {
    /// The column.
    pub name: String,
    /// In how many rows of the same key.
    pub count: i64,
}

/// Rows of the same key with other values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangedRows {
    /// How many.
    pub count: i64,
    /// The columns that differ, the most frequent one first.
    pub columns: Vec<ChangedColumn>,
    /// Some of them: `key`, and the columns that differ as `old` (the first relation's) and `new`.
    pub sample: Vec<Value>,
}

/// What two relations have not in common.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// How rows were matched.
    #[serde(flatten)]
    pub by: ComparedBy,
    /// Why not as asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Rows of the first relation.
    pub rows_a: i64,
    /// Rows of the second one.
    pub rows_b: i64,
    /// Rows that only the first one has.
    pub only_in_a: OnlyIn,
    /// Rows that only the second one has.
    pub only_in_b: OnlyIn,
    /// Rows with the same key and other values; `None` where they are not matched by key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<ChangedRows>,
    /// Columns that only the first one has; no part of the comparison.
    pub columns_only_in_a: Vec<ComparedColumn>,
    /// Columns that only the second one has.
    pub columns_only_in_b: Vec<ComparedColumn>,
    /// Columns whose type is not the same: compared as text.
    pub as_text: Vec<TypeChange>,
}

impl Comparison {
    /// Whether every row that was compared is the same.
    pub fn same_rows(&self) -> bool {
        self.by != ComparedBy::Nothing
            && self.only_in_a.count == 0
            && self.only_in_b.count == 0
            && self.changed.as_ref().is_none_or(|changed| changed.count == 0)
    }
}

/// Compares the rows of `a` and `b` within `frame`: by `key` where both have it and no two rows share it, else as
/// multisets. Rows are the same when their columns are, to the byte. At most `samples` rows of each kind come back.
///
/// Both are locked (ACCESS SHARE) before the snapshot is taken, so that neither can be exchanged in between.
///
/// # Errors
/// What PostgreSQL says; where one of the relations is gone, or is rewritten again and again.
pub async fn compare(
    conn: &mut PgConnection,
    a: &QName,
    b: &QName,
    key: Option<&[String]>,
    frame: &Frame,
    samples: usize,
) -> Result<Comparison, SqlError> {
    for _ in 0..TRIES {
        let lockable = lockable(conn, &[a, b]).await?;
        // Settings are set without a query: the first one takes the snapshot, and the locks come before it.
        let mut begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;".to_owned();
        begin.push_str(&format!("SET LOCAL lock_timeout = {};", frame.lock_timeout_ms));
        if let Some(role) = &frame.role {
            begin.push_str(&format!("SET LOCAL ROLE {};", quote_ident(role)));
        }
        for name in lockable {
            begin.push_str(&format!("LOCK TABLE {name} IN ACCESS SHARE MODE;"));
        }
        let begun = sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut *conn).await;
        let outcome = match begun {
            Ok(_) => in_snapshot(conn, a, b, key, frame, samples).await,
            Err(error) => Err(error.into()),
        };
        if let Some(comparison) = close(conn, outcome).await? {
            return Ok(comparison);
        }
    }
    Err(SqlError::new(ErrorKind::Lock, format!("{a} or {b} is rewritten again and again; try again")))
}

/// Those of the relations that LOCK takes: it knows tables and views.
pub(super) async fn lockable<'n>(conn: &mut PgConnection, names: &[&'n QName]) -> Result<Vec<&'n QName>, SqlError> {
    let mut lockable = Vec::new();
    for name in names {
        let row = sqlx::query("SELECT relkind::text FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($1)")
            .bind(name.to_string())
            .fetch_optional(&mut *conn)
            .await?;
        let Some(row) = row else {
            return Err(SqlError::new(ErrorKind::Missing, format!("{name} does not exist")));
        };
        if matches!(row.try_get("relkind")?, "r" | "p" | "v") {
            lockable.push(*name);
        }
    }
    Ok(lockable)
}

/// Compares in the transaction that was begun; `None` where a relation is not the one of the snapshot any more.
async fn in_snapshot(
    conn: &mut PgConnection,
    a: &QName,
    b: &QName,
    key: Option<&[String]>,
    frame: &Frame,
    samples: usize,
) -> Result<Option<Comparison>, SqlError> {
    let mut session = SessionState::in_transaction();
    session.enter(conn, frame).await?;
    for name in [a, b] {
        if !is_of_the_snapshot(conn, name).await? {
            return Ok(None);
        }
    }
    let (facts_a, facts_b) = (side::facts(conn, a).await?, side::facts(conn, b).await?);
    let columns = Columns::of(&facts_a, &facts_b);
    let (key, note) = usable_key(conn, a, b, &columns, key).await?;
    let by = match &key {
        Some(key) => {
            let columns = key.iter().filter_map(|at| columns.shared.get(*at));
            ComparedBy::Key(columns.map(|column| column.name.clone()).collect())
        }
        None if columns.shared.is_empty() => ComparedBy::Nothing,
        None => ComparedBy::Rows,
    };
    let sql = match &key {
        Some(key) => text::by_key(a, b, &columns.shared, key, samples),
        None if columns.shared.is_empty() => text::only_counts(a, b),
        None => text::by_rows(a, b, &columns.shared, samples),
    };
    let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut *conn).await?;
    let compared = by != ComparedBy::Nothing;
    let changed = match &key {
        Some(_) => Some(changed(&row, &columns)?),
        None => None,
    };
    Ok(Some(Comparison {
        by,
        note,
        rows_a: row.try_get("rows_a")?,
        rows_b: row.try_get("rows_b")?,
        only_in_a: if compared { only_in(&row, "only_a", "sample_a")? } else { OnlyIn::default() },
        only_in_b: if compared { only_in(&row, "only_b", "sample_b")? } else { OnlyIn::default() },
        changed,
        as_text: columns.changed_types(),
        columns_only_in_a: columns.only_a,
        columns_only_in_b: columns.only_b,
    }))
}

/// Reading a relation locks it, too, but after the snapshot: what was rewritten while that lock was waited for is not what
/// the snapshot knows.
async fn is_of_the_snapshot(conn: &mut PgConnection, name: &QName) -> Result<bool, SqlError> {
    sqlx::raw_sql(AssertSqlSafe(format!("SELECT FROM {name} LIMIT 0"))).execute(&mut *conn).await?;
    let row = sqlx::query(AssertSqlSafe(format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass({}) \
         AND coalesce(pg_catalog.pg_relation_filenode(oid), 0) = relfilenode) AS is",
        quote_literal(&name.to_string())
    )))
    .fetch_one(conn)
    .await?;
    Ok(row.try_get("is")?)
}

/// The places of the key's columns where rows can be matched by it, or why they cannot.
async fn usable_key(
    conn: &mut PgConnection,
    a: &QName,
    b: &QName,
    columns: &Columns,
    key: Option<&[String]>,
) -> Result<(Option<Vec<usize>>, Option<String>), SqlError> {
    let Some(key) = key.filter(|key| !key.is_empty()) else { return Ok((None, None)) };
    let places = match columns.places(key) {
        Ok(places) => places,
        Err(missing) => return Ok((None, Some(format!("not both have the key column {}", quote_ident(missing))))),
    };
    for name in [a, b] {
        let row = sqlx::query(include_str!("sql/key_is_unique.sql"))
            .bind(name.to_string())
            .bind(key)
            .fetch_one(&mut *conn)
            .await?;
        if row.try_get(0)? {
            continue;
        }
        let sql = text::repeats(name, &columns.shared, &places);
        let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut *conn).await?;
        if row.try_get(0)? {
            return Ok((None, Some(format!("rows of {name} share a key"))));
        }
    }
    Ok((Some(places), None))
}

fn only_in(row: &PgRow, count: &str, sample: &str) -> Result<OnlyIn, SqlError> {
    Ok(OnlyIn { count: row.try_get(count)?, sample: rows(row, sample)? })
}

fn changed(row: &PgRow, columns: &Columns) -> Result<ChangedRows, SqlError> {
    let counts: Vec<i64> = row.try_get("by_column")?;
    let names = columns.shared.iter().map(|column| column.name.clone());
    let mut often: Vec<ChangedColumn> =
        names.zip(counts).filter(|(_, count)| *count > 0).map(|(name, count)| ChangedColumn { name, count }).collect();
    often.sort_by_key(|column| std::cmp::Reverse(column.count));
    Ok(ChangedRows { count: row.try_get("changed")?, columns: often, sample: rows(row, "sample_changed")? })
}

/// Rows that came as JSON, with numbers that programs keep.
fn rows(row: &PgRow, name: &str) -> Result<Vec<Value>, SqlError> {
    let texts: Option<Vec<String>> = row.try_get(name)?;
    let read = |text: String| serde_json::from_str(&exact(&text)).unwrap_or(Value::String(text));
    Ok(texts.unwrap_or_default().into_iter().map(read).collect())
}

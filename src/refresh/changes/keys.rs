//! The keys that logged changes may affect, found by the server and given back to it as they came.

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row};

use crate::build::Opaque;
use crate::build::position::{Look, Pending};
use crate::database::SqlError;
use crate::sql::changes::{self, Shape};
use crate::state::{Changes, LoggedColumn, quote_ident, quote_literal};

/// More keys are not looked at.
pub(super) const MOST: u64 = 100_000;

/// Keys, as parameters of statements.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    /// How many.
    pub count: u64,
    /// What the parameters are like.
    pub shape: Shape,
    arrays: Vec<Opaque>,
}

impl Keys {
    /// The distinct values of a key column, an array of them; and whether NULL is among them.
    pub fn values(&self, column: usize) -> Option<(&Opaque, bool)> {
        Some((self.arrays.get(column)?, self.shape.nulls.get(column).copied().unwrap_or_default()))
    }

    /// Gives a statement its parameters.
    pub fn bind<'q>(&self, statement: Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments> {
        self.arrays.iter().cloned().fold(statement, Query::bind)
    }
}

/// Finds them. No keys but words: a change may mean any row, of the table that is named.
///
/// # Errors
/// What the server says.
pub(super) async fn affected(
    conn: &mut PgConnection,
    of: &Changes,
    look: &Look,
    since: &str,
) -> Result<Result<Keys, String>, SqlError> {
    let mut parameters: Vec<&Opaque> = Vec::new();
    let (mut deltas, mut pending) = (Vec::new(), Vec::new());
    for (at, (source, logged)) in of.sources.iter().zip(&look.pending).enumerate() {
        if logged.rows > 0 && source.affected.is_none() {
            return Ok(Err(format!("a change of {} may mean any row", source.table)));
        }
        if logged.rows > 0 {
            pending.push(at);
        }
        deltas.push(delta(&source.columns, logged, parameters.len()));
        parameters.extend(&logged.values);
    }
    let delta = |at: usize| deltas.get(at).cloned().unwrap_or_default();
    let since = format!("{}::timestamptz", quote_literal(since));
    let parts = [changes::affected(of, &pending, delta), changes::moved(of, &since)];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        return Ok(Ok(Keys::default()));
    }
    // Side by side they would be one set operation of several kinds; each is its own.
    let parts: Vec<String> = parts.iter().map(|part| format!("SELECT * FROM (\n{part}\n) AS a")).collect();
    let limited = format!("SELECT * FROM (\n{}\n) AS a LIMIT {}", parts.join("\nUNION\n"), MOST + 1);
    let query = sqlx::query(AssertSqlSafe(changes::gathered(of, &limited))).persistent(false);
    let row = parameters.into_iter().cloned().fold(query, Query::bind).fetch_one(&mut *conn).await?;
    let mut keys = Keys { count: u64::try_from(row.try_get::<i64, _>("keys")?).unwrap_or_default(), ..Keys::default() };
    let columns = 1..=of.key.len();
    for number in columns.clone() {
        keys.shape.nulls.push(row.try_get(format!("null{number}").as_str())?);
    }
    let names = columns.clone().map(|number| format!("value{number}"));
    let names = names.chain(columns.filter(|_| of.key.len() > 1).map(|number| format!("key{number}")));
    for name in names {
        // Of NULLs alone there are no values: NULL, which nothing is equal to.
        keys.arrays.push(Opaque::of(&row, &name)?);
    }
    if keys.count <= MOST {
        ranges(conn, of, &mut keys).await?;
    }
    Ok(Ok(keys))
}

/// The ranges of the sources' columns that the keys stand for.
async fn ranges(conn: &mut PgConnection, of: &Changes, keys: &mut Keys) -> Result<(), SqlError> {
    for at in 0..of.key.len() {
        let (mut count, sql) = (0, changes::ranges(of, at));
        if let (Some(sql), Some(values)) = (sql, keys.arrays.get(at).cloned()) {
            let sql = format!("SELECT r.*, pg_catalog.cardinality(r.low) AS count FROM (\n{sql}\n) AS r");
            let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).bind(values).fetch_one(&mut *conn).await?;
            if let Some(ranges) = row.try_get::<Option<i32>, _>("count")? {
                count = usize::try_from(ranges).unwrap_or_default();
                keys.arrays.extend([Opaque::of(&row, "low")?, Opaque::of(&row, "high")?]);
            }
        }
        keys.shape.ranges.push(count);
    }
    Ok(())
}

/// What a source logged, as a relation: of parameters, of which `before` are taken.
fn delta(columns: &[LoggedColumn], pending: &Pending, before: usize) -> String {
    let names: Vec<String> = columns.iter().map(|column| quote_ident(&column.name)).collect();
    if pending.values.is_empty() {
        let columns = columns.iter().zip(&names).map(|(column, name)| format!("NULL::{} AS {name}", column.type_name));
        return format!("(SELECT {} WHERE false)", columns.collect::<Vec<_>>().join(", "));
    }
    let arrays: Vec<String> = (1..=names.len()).map(|at| format!("pg_catalog.unnest(${})", before + at)).collect();
    format!("(SELECT d.* FROM ROWS FROM ({}) AS d ({}))", arrays.join(", "), names.join(", "))
}

//! What filling marts in partitions weighs, as the server's planner sees it: large ones are filled side by side.

use chrono::NaiveDateTime;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::place::Scratch;
use super::{CompileError, Compiled, CompiledMart};
use crate::catalog::time_of;
use crate::database::SqlError;
use crate::manifest::DesiredMart;
use crate::sql::changes::{spanned, whole};
use crate::state::{Changes, Mart, quote_ident, quote_literal};

/// How many parts of its time a mart has, of which one is looked at.
const PARTS: i32 = 20;

/// What the planner thinks of computing the rows of a mart that is divided by time.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// All of them, in its units.
    pub whole: f64,
    /// The rows of a twentieth of its time.
    pub part: f64,
    /// How many rows there are.
    pub rows: f64,
    /// The last of their times.
    pub last: String,
    /// The query, by the values of the column by which it is divided: rows of one value do not depend on others.
    pub query: Changes,
}

/// Asks about the marts whose time can be told apart. What cannot be asked yet, as it reads what is new, weighs nothing.
pub(super) async fn weigh(
    conn: &mut PgConnection,
    marts: &[&DesiredMart],
    scratch: &Scratch,
    compiled: &mut Compiled,
) -> Result<(), CompileError> {
    for mart in marts.iter().map(|desired| &desired.mart) {
        let Some(is) = compiled.marts.get_mut(&mart.name) else { continue };
        let (Some(query), Some(span)) = (is.divided.take(), is.span) else { continue };
        sqlx::raw_sql("SAVEPOINT datamart_weight").execute(&mut *conn).await?;
        is.weight = asked(conn, mart, scratch, is, (query, span)).await.ok().flatten();
        let undo = "ROLLBACK TO SAVEPOINT datamart_weight; RELEASE SAVEPOINT datamart_weight";
        sqlx::raw_sql(undo).execute(&mut *conn).await?;
    }
    Ok(())
}

async fn asked(
    conn: &mut PgConnection,
    mart: &Mart,
    scratch: &Scratch,
    is: &CompiledMart,
    (query, (first, last)): (Changes, (NaiveDateTime, NaiveDateTime)),
) -> Result<Option<Weight>, SqlError> {
    let Some(column) = mart.partition.as_ref().map(|partition| &partition.column) else { return Ok(None) };
    let Some(Ok((kind, zone))) = time_of(mart, &is.columns) else { return Ok(None) };
    let Some(at) = query.key.iter().position(|key| key.name == *column) else { return Ok(None) };
    let middle = first + (last - first) / 2;
    let span = [(kind.write(middle, zone), kind.write(middle + (last - first) / PARTS, zone))];
    let [(from, to)] = &span;
    let (from, to, column) = (quote_literal(from), quote_literal(to), quote_ident(column));
    let part = format!(
        "SELECT * FROM (\n{}\n) AS q\nWHERE q.{column} >= {from} AND q.{column} < {to}",
        spanned(&query, at, &span)
    );
    sqlx::raw_sql(AssertSqlSafe(scratch.surroundings(mart))).execute(&mut *conn).await?;
    let (whole, rows) = cost(conn, &whole(&query)).await?;
    let (part, _) = cost(conn, &part).await?;
    Ok(Some(Weight { whole, part, rows, last: kind.write(last, zone), query }))
}

/// What a query costs, and how many rows it gives.
async fn cost(conn: &mut PgConnection, query: &str) -> Result<(f64, f64), SqlError> {
    let sql = format!("EXPLAIN (FORMAT JSON) {query}");
    let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(conn).await?;
    let plan: Value = row.try_get(0)?;
    let number = |key: &str| plan.pointer(&format!("/0/Plan/{key}")).and_then(Value::as_f64).unwrap_or(f64::MAX);
    Ok((number("Total Cost"), number("Plan Rows")))
}

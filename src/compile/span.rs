//! From when to when the rows of marts are that are divided by time: their partitions begin with the earliest.

use chrono::NaiveDateTime;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::place::Scratch;
use super::{CompileError, Compiled, Failure};
use crate::database::SqlError;
use crate::manifest::DesiredMart;
use crate::sql::near;
use crate::state::{Mart, TimeType, quote_ident};

/// Asks the queries of marts where their partitions begin and end. It computes their rows: `start` spares it where a default takes
/// what is beyond.
pub(super) async fn spans(
    conn: &mut PgConnection,
    marts: &[&DesiredMart],
    scratch: &Scratch,
    compiled: &mut Compiled,
) -> Result<Vec<Failure>, CompileError> {
    let mut failures = Vec::new();
    for mart in marts.iter().map(|desired| &desired.mart) {
        let Some(column) = asked(mart, compiled) else { continue };
        sqlx::raw_sql("SAVEPOINT datamart_span").execute(&mut *conn).await?;
        let asked = ask(conn, mart, scratch, &column).await;
        let (span, undo) = match asked {
            Ok(span) => (span, "RELEASE SAVEPOINT datamart_span; RESET ROLE"),
            Err(error) => {
                failures.push(Failure {
                    mart: mart.name.clone(),
                    index: None,
                    check: None,
                    key: None,
                    error: error.at(None),
                });
                (None, "ROLLBACK TO SAVEPOINT datamart_span; RELEASE SAVEPOINT datamart_span")
            }
        };
        sqlx::raw_sql(undo).execute(&mut *conn).await?;
        if let Some(compiled) = compiled.marts.get_mut(&mart.name) {
            compiled.span = span;
        }
    }
    Ok(failures)
}

/// The column that decides, where the query has to be asked.
fn asked(mart: &Mart, compiled: &Compiled) -> Option<String> {
    let partition = mart.partition.as_ref()?;
    partition.ranges().filter(|ranges| ranges.start.is_none() || !partition.default)?;
    let columns = &compiled.marts.get(&mart.name)?.columns;
    let column = columns.iter().find(|column| column.name == partition.column)?;
    TimeType::of(&column.type_name).map(|_| column.name.clone())
}

async fn ask(
    conn: &mut PgConnection,
    mart: &Mart,
    scratch: &Scratch,
    column: &str,
) -> Result<Option<(NaiveDateTime, NaiveDateTime)>, SqlError> {
    sqlx::raw_sql(AssertSqlSafe(scratch.surroundings(mart))).execute(&mut *conn).await?;
    let (view, column) = (scratch.view(mart), quote_ident(column));
    let sql = format!(
        "SELECT {}, {} FROM {view} AS r WHERE pg_catalog.isfinite(r.{column})",
        near(&format!("pg_catalog.min(r.{column})")),
        near(&format!("pg_catalog.max(r.{column})"))
    );
    let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut *conn).await?;
    let first: Option<NaiveDateTime> = row.try_get(0)?;
    Ok(first.zip(row.try_get(1)?))
}

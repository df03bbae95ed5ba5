//! From when to when the rows of marts are that are divided by time: their partitions begin with the earliest.

use chrono::NaiveDateTime;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::place::Scratch;
use super::{CompileError, Compiled, Failure};
use crate::database::SqlError;
use crate::manifest::DesiredMart;
use crate::sql::changes::up_to;
use crate::sql::near;
use crate::state::{Changes, Mart, QName, TimeType, quote_ident};

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
        // What comes with this plan has other rows than what stands under its name.
        let anew = |name: &QName| compiled.marts.contains_key(name);
        let divided = compiled.marts.get(&mart.name).and_then(|is| is.divided.as_ref());
        let divided = divided.filter(|of| !of.sources.iter().map(|source| &source.table).chain(&of.views).any(anew));
        let asked = ask(conn, mart, scratch, &column, divided).await;
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

/// The first and the last time of a mart's rows.
type Ends = Option<(NaiveDateTime, NaiveDateTime)>;

async fn ask(
    conn: &mut PgConnection,
    mart: &Mart,
    scratch: &Scratch,
    column: &str,
    divided: Option<&Changes>,
) -> Result<Ends, SqlError> {
    sqlx::raw_sql(AssertSqlSafe(scratch.surroundings(mart))).execute(&mut *conn).await?;
    if let Some((changes, ends)) = divided.and_then(|changes| Some((changes, of_source(changes, column)?))) {
        sqlx::raw_sql("SAVEPOINT datamart_ends").execute(&mut *conn).await?;
        let found = at_ends(conn, changes, column, &ends).await;
        sqlx::raw_sql("ROLLBACK TO SAVEPOINT datamart_ends; RELEASE SAVEPOINT datamart_ends")
            .execute(&mut *conn)
            .await?;
        if let Ok(Some(found)) = found {
            return Ok(Some(found));
        }
    }
    ends(conn, &scratch.view(mart).to_string(), column).await
}

/// The query of the ends of the source's column behind the column by which a mart is divided: an index may know them.
fn of_source(changes: &Changes, column: &str) -> Option<String> {
    let key = changes.key.iter().find(|key| key.name == column)?;
    let [source] = changes.sources.as_slice() else { return None };
    let column = key.range.as_ref()?.column.as_str();
    let name = column.rsplit_once('.').map_or(column, |(_, name)| name);
    let known = source.columns.iter().any(|column| quote_ident(&column.name) == name);
    let (of_key, step, table) = (&key.type_name, &key.range.as_ref()?.step, &source.table);
    // What is told apart by time is read whole at either end.
    let last = format!("pg_catalog.max({name})::{of_key}");
    known.then(|| {
        format!("SELECT pg_catalog.min({name})::{of_key}::text, ({last} - '{step}'::interval)::text, {last}::text FROM {table}")
    })
}

/// Asks of the rows that the ends of the source give; `None` where these give none.
async fn at_ends(conn: &mut PgConnection, changes: &Changes, column: &str, sql: &str) -> Result<Ends, SqlError> {
    let Some(at) = changes.key.iter().position(|key| key.name == column) else { return Ok(None) };
    let row = sqlx::query(AssertSqlSafe(sql.to_owned())).persistent(false).fetch_one(&mut *conn).await?;
    let all: (Option<String>, Option<String>, Option<String>) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let (Some(first), Some(before), Some(last)) = all else { return Ok(None) };
    let mut found = Vec::new();
    for span in [(first.clone(), first), (before, last)] {
        let query = up_to(changes, at, &span);
        found.push(ends(conn, &format!("(\n{query}\n)"), column).await?);
    }
    Ok(match found.as_slice() {
        [Some((first, _)), Some((_, last))] => Some((*first, *last)),
        _ => None,
    })
}

/// The ends of some rows.
async fn ends(conn: &mut PgConnection, rows: &str, column: &str) -> Result<Ends, SqlError> {
    let column = quote_ident(column);
    let sql = format!(
        "SELECT {}, {} FROM {rows} AS r WHERE pg_catalog.isfinite(r.{column})",
        near(&format!("pg_catalog.min(r.{column})")),
        near(&format!("pg_catalog.max(r.{column})"))
    );
    let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut *conn).await?;
    let first: Option<NaiveDateTime> = row.try_get(0)?;
    Ok(first.zip(row.try_get(1)?))
}

//! The keys that logged changes may affect, found by the server and given back to it as they came.

use std::fmt::Write as _;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row};

use super::explain::cost;
use crate::build::Opaque;
use crate::build::position::{Look, Pending};
use crate::database::SqlError;
use crate::sql::changes::{self, Shape};
use crate::sql::collated;
use crate::state::{ChangeSource, Changes, quote_ident, quote_literal};

/// More keys are not looked at.
pub(super) const MOST: u64 = 100_000;
/// From this part of a column's values on, a condition that it is one of them lets nearly all rows through.
const NEARLY_ALL: f64 = 0.9;

/// Keys, as parameters of statements.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    /// How many.
    pub count: u64,
    /// What the parameters are like.
    pub shape: Shape,
    arrays: Vec<Opaque>,
    /// Of each column with ranges, how many times as wide as the first all of them are.
    wide: Vec<Option<f64>>,
}

/// Keys, and what the planner thought of finding them, where it was asked.
pub(super) struct Found {
    pub keys: Keys,
    pub cost: f64,
}

impl Keys {
    /// What the parameters are like if of several ranges only the first counts, and how many times as wide all of them are.
    pub fn first_range(&self) -> Option<(Shape, f64)> {
        let [Some(wide)] = self.wide[..] else { return None };
        let several = self.shape.ranges.iter().any(|count| *count > 1) && wide.is_finite() && wide >= 1.0;
        let ranges = self.shape.ranges.iter().map(|count| (*count).min(1)).collect();
        several.then(|| (Shape { ranges, ..self.shape.clone() }, wide))
    }

    /// The distinct values of a key column, an array of them; and whether NULL is among them.
    pub fn values(&self, column: usize) -> Option<(&Opaque, bool)> {
        Some((self.arrays.get(column)?, self.shape.nulls.get(column).copied().unwrap_or_default()))
    }

    /// Gives a statement its parameters.
    pub fn bind<'q>(&self, statement: Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments> {
        self.arrays.iter().cloned().fold(statement, Query::bind)
    }
}

/// The question for them, which the server answers.
#[derive(Debug)]
pub(super) struct Question<'a> {
    of: &'a Changes,
    sql: String,
    parameters: Vec<&'a Opaque>,
    /// About how many values the mart has in each column of the key, where that matters.
    values: Vec<Option<f64>>,
    /// More is read for it than what was logged.
    pub reads: bool,
}

/// In words, why any row may be affected by what was logged.
pub(super) fn any_row(of: &Changes, look: &Look) -> Option<String> {
    let mut changed = of.sources.iter().zip(&look.pending).filter(|(_, logged)| logged.rows > 0);
    changed.find(|(source, _)| source.affected.is_none()).map(|(source, _)| may_mean_any_row(source))
}

fn may_mean_any_row(source: &ChangeSource) -> String {
    format!("a change of {} may mean any row", source.table)
}

/// Asks for the keys that what was logged may affect; in words, why any row may be.
pub(super) fn question<'a>(of: &'a Changes, look: &'a Look, since: &str) -> Result<Question<'a>, String> {
    let mut parameters: Vec<&Opaque> = Vec::new();
    let (mut deltas, mut pending) = (Vec::new(), Vec::new());
    let mut reads = !of.moving.is_empty();
    for (at, (source, logged)) in of.sources.iter().zip(&look.pending).enumerate() {
        if logged.rows > 0 {
            let template = source.affected.as_ref();
            reads |= template.ok_or_else(|| may_mean_any_row(source))?.contains("{all:");
            pending.push(at);
        }
        deltas.push(delta(source, logged, parameters.len()));
        parameters.extend(&logged.values);
    }
    let delta = |at: usize| deltas.get(at).cloned().unwrap_or_default();
    let since = format!("{}::timestamptz", quote_literal(since));
    let values: Vec<Option<f64>> = of.key.iter().map(|key| look.values_of(&key.name)).collect();
    let parts = [changes::affected(of, &pending, delta), changes::moved(of, &since)];
    // Side by side they would be one set operation of several kinds; each is its own.
    let parts: Vec<String> =
        parts.into_iter().flatten().map(|part| format!("SELECT * FROM (\n{part}\n) AS a")).collect();
    let sql = match parts.is_empty() {
        true => String::new(),
        false => {
            let limited = format!("SELECT * FROM (\n{}\n) AS a LIMIT {}", parts.join("\nUNION\n"), MOST + 1);
            with_ranges(of, &changes::gathered(of, &limited), &values)
        }
    };
    Ok(Question { of, sql, parameters, values, reads })
}

impl Question<'_> {
    /// What the planner thinks of it.
    ///
    /// # Errors
    /// What the server says.
    pub async fn cost(&self, conn: &mut PgConnection) -> Result<f64, SqlError> {
        cost(conn, &self.sql, |statement| self.bind(statement)).await
    }

    /// What reads nothing but its parameters is the same every time, whatever they are: a session plans it once. They may come to be
    /// of other types of the same names, and then it is another one; a function of somebody's may give another type.
    fn statement<'q>(&self) -> Query<'q, Postgres, PgArguments> {
        if self.reads || !self.of.functions.is_empty() {
            return sqlx::query(AssertSqlSafe(self.sql.clone())).persistent(false);
        }
        let types: Vec<String> = self.parameters.iter().map(|parameter| parameter.type_oid().to_string()).collect();
        sqlx::query(AssertSqlSafe(format!("{}\n-- {}", self.sql, types.join(" "))))
    }

    fn bind<'q>(&self, statement: Query<'q, Postgres, PgArguments>) -> Query<'q, Postgres, PgArguments> {
        self.parameters.iter().copied().cloned().fold(statement, Query::bind)
    }

    /// Asks.
    ///
    /// # Errors
    /// What the server says.
    pub async fn keys(&self, conn: &mut PgConnection) -> Result<Keys, SqlError> {
        if self.sql.is_empty() {
            return Ok(Keys::default());
        }
        let of = self.of;
        let row = self.bind(self.statement()).fetch_one(conn).await?;
        let mut keys =
            Keys { count: u64::try_from(row.try_get::<i64, _>("keys")?).unwrap_or_default(), ..Keys::default() };
        let columns = 1..=of.key.len();
        for number in columns.clone() {
            keys.shape.nulls.push(row.try_get(format!("null{number}").as_str())?);
        }
        let names = columns.clone().map(|number| format!("value{number}"));
        let names = names.chain(columns.clone().filter(|_| of.key.len() > 1).map(|number| format!("key{number}")));
        for name in names {
            // Of NULLs alone there are no values: NULL, which nothing is equal to.
            keys.arrays.push(Opaque::of(&row, &name)?);
        }
        for (number, key) in columns.zip(&of.key) {
            let mut count = 0;
            if key.range.is_some()
                && let Some(ranges) = row.try_get::<Option<i32>, _>(format!("ranges{number}").as_str())?
            {
                count = usize::try_from(ranges).unwrap_or_default();
                for edge in ["low", "high"] {
                    keys.arrays.push(Opaque::of(&row, &format!("{edge}{number}"))?);
                }
                keys.wide.push(row.try_get(format!("wide{number}").as_str())?);
            }
            keys.shape.ranges.push(count);
            keys.shape.nearly_all.push(self.has_nearly_all(&row, number)?);
        }
        Ok(keys)
    }

    /// Whether the keys have nearly all values of a column.
    fn has_nearly_all(&self, row: &PgRow, number: usize) -> Result<bool, SqlError> {
        let Some(all) = self.values.get(number - 1).copied().flatten() else { return Ok(false) };
        let some: Option<i32> = row.try_get(format!("values{number}").as_str())?;
        Ok(some.is_some_and(|some| f64::from(some) >= all * NEARLY_ALL))
    }
}

/// What was gathered, with the ranges of the sources' columns that the keys stand for: none where there are too many keys.
fn with_ranges(of: &Changes, gathered: &str, counted: &[Option<f64>]) -> String {
    let (mut columns, mut joins) = (String::new(), String::new());
    for at in 0..of.key.len() {
        let number = at + 1;
        if counted.get(at).is_some_and(Option::is_some) {
            let _ = write!(columns, ", pg_catalog.cardinality(found.value{number}) AS values{number}");
        }
        let values = format!("CASE WHEN found.keys <= {MOST} THEN found.value{number} END");
        if let Some(ranges) = changes::ranges(of, at, &values) {
            let _ = write!(
                columns,
                ", pg_catalog.cardinality(range{number}.low) AS ranges{number}, range{number}.low AS low{number}, range{number}.high AS high{number}, range{number}.wide AS wide{number}"
            );
            let _ = write!(joins, " CROSS JOIN LATERAL (\n{ranges}\n) AS range{number}");
        }
    }
    format!("SELECT found.*{columns} FROM (\n{gathered}\n) AS found{joins}")
}

/// What a source logged, as a relation: of parameters, of which `before` are taken.
fn delta(source: &ChangeSource, pending: &Pending, before: usize) -> String {
    let columns = &source.columns;
    let names: Vec<String> = columns.iter().map(|column| quote_ident(&column.name)).collect();
    if pending.values.is_empty() {
        let columns = columns.iter().zip(&names).map(|(column, name)| format!("NULL::{} AS {name}", column.type_name));
        return format!("(SELECT {} WHERE false)", columns.collect::<Vec<_>>().join(", "));
    }
    let arrays: Vec<String> = (1..=names.len()).map(|at| format!("pg_catalog.unnest(${})", before + at)).collect();
    let each = collated(source, |column| {
        let name = quote_ident(&column.name);
        // Arrays were collected as their texts.
        match column.type_name.ends_with("[]") {
            true => format!("d.{name}::{}", column.type_name),
            false => format!("d.{name}"),
        }
    });
    format!("(SELECT {} FROM ROWS FROM ({}) AS d ({}))", each.join(", "), arrays.join(", "), names.join(", "))
}

//! Which partitions rows stand in, by the values of the column by which they are divided.

use std::collections::BTreeSet;

use chrono::NaiveDateTime;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::build::opaque::Opaque;
use crate::catalog::{Relation, time_of};
use crate::database::SqlError;
use crate::state::{Mart, quote_ident, quote_literal, range_of};

/// Some of the partitions of a mart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Those, by their numbers.
    pub parts: BTreeSet<i64>,
    /// Rows that none of those with bounds takes: they are in the default, or need partitions of their own.
    pub others: bool,
}

/// How a mart is divided, as it is.
#[derive(Debug, Clone)]
pub struct Division {
    column: String,
    takes: Takes,
    default: Option<i64>,
}

#[derive(Debug, Clone)]
enum Takes {
    /// By time, in order.
    Spans(Vec<Span>),
    /// The conditions of partitions, by their numbers.
    Conditions(Vec<(i64, String)>),
}

#[derive(Debug, Clone)]
struct Span {
    oid: i64,
    from: NaiveDateTime,
    to: NaiveDateTime,
    lower: String,
    upper: String,
}

impl Division {
    /// Of the partitions that are there; `None` where it is not divided.
    ///
    /// # Errors
    /// What the server says.
    pub async fn of(conn: &mut PgConnection, mart: &Mart, live: &Relation) -> Result<Option<Self>, SqlError> {
        let Some(partition) = &mart.partition else { return Ok(None) };
        let column = partition.column.clone();
        let default = live.partitions.iter().find(|attached| attached.is_default()).map(|attached| attached.oid);
        let takes = match spans(mart, live) {
            Some(spans) => Takes::Spans(spans),
            None => {
                let oids =
                    live.partitions.iter().filter(|attached| !attached.is_default()).map(|attached| attached.oid);
                let sql = "SELECT oid, pg_catalog.pg_get_partition_constraintdef(oid::pg_catalog.oid) FROM unnest($1::bigint[]) AS p (oid)";
                let rows = sqlx::query(sql).bind(oids.collect::<Vec<_>>()).fetch_all(conn).await?;
                let condition = |row: &sqlx::postgres::PgRow| {
                    Ok((row.try_get(0)?, row.try_get::<Option<String>, _>(1)?.unwrap_or_else(|| "true".to_owned())))
                };
                Takes::Conditions(rows.iter().map(condition).collect::<Result<_, sqlx::Error>>()?)
            }
        };
        Ok(Some(Self { column, takes, default }))
    }

    /// The partitions in which rows stand whose value is among `values`, an array of the column's type; or is NULL, where `null` says so.
    /// Rows from before `oldest`, an expression, stand nowhere any more.
    ///
    /// # Errors
    /// What the server says.
    pub async fn touched(
        &self,
        conn: &mut PgConnection,
        (values, type_name): (&Opaque, &str),
        null: bool,
        oldest: Option<&str>,
    ) -> Result<Touched, SqlError> {
        let bounds = self.bounds();
        let place = match &self.takes {
            Takes::Spans(_) if bounds.is_empty() => "NULL::int".to_owned(),
            Takes::Spans(_) => {
                let bounds: Vec<String> = bounds.iter().map(|(_, text)| quote_literal(text)).collect();
                let column = quote_ident(&self.column);
                format!("pg_catalog.width_bucket({column}, ARRAY[{}]::{type_name}[])", bounds.join(", "))
            }
            Takes::Conditions(conditions) => {
                let cases =
                    conditions.iter().enumerate().map(|(at, (_, condition))| format!(" WHEN {condition} THEN {at}"));
                format!("CASE{} END", cases.collect::<String>())
            }
        };
        let column = quote_ident(&self.column);
        let since = oldest.map(|oldest| format!(" WHERE {column} >= {oldest} OR {column} IS NULL")).unwrap_or_default();
        let nothing = if null { format!(" UNION ALL SELECT NULL::{type_name}") } else { String::new() };
        let sql = format!(
            "SELECT DISTINCT {place} FROM (SELECT v FROM pg_catalog.unnest($1::{type_name}[]) AS u (v){nothing}) AS k ({column}){since}"
        );
        let mut touched = Touched::default();
        for row in sqlx::query(AssertSqlSafe(sql)).persistent(false).bind(values.clone()).fetch_all(conn).await? {
            let at = row.try_get::<Option<i32>, _>(0)?.and_then(|at| usize::try_from(at).ok());
            match at.and_then(|at| self.at(at, &bounds)) {
                Some(oid) => drop(touched.parts.insert(oid)),
                None => touched.others = true,
            }
        }
        touched.parts.extend(self.default.filter(|_| touched.others));
        Ok(touched)
    }

    /// Every partition, and what needs one.
    pub fn is_all(&self, touched: &Touched) -> bool {
        let all: Vec<i64> = match &self.takes {
            Takes::Spans(spans) => spans.iter().map(|span| span.oid).collect(),
            Takes::Conditions(conditions) => conditions.iter().map(|(oid, _)| *oid).collect(),
        };
        all.iter().all(|oid| touched.parts.contains(oid))
    }

    /// Whether there are rows that no partition takes.
    pub fn is_homeless(&self, touched: &Touched) -> bool {
        touched.others && self.default.is_none()
    }

    /// The condition that rows meet which stand there.
    pub fn condition(&self, touched: &Touched) -> String {
        let column = quote_ident(&self.column);
        let mut terms: Vec<String> = match &self.takes {
            Takes::Spans(_) => self.spans(touched).into_iter().map(|span| among(&column, &span)).collect(),
            Takes::Conditions(conditions) => {
                let those = conditions.iter().filter(|(oid, _)| touched.parts.contains(oid));
                those.map(|(_, condition)| format!("({condition})")).collect()
            }
        };
        if touched.others {
            let all = match &self.takes {
                Takes::Spans(spans) => merged(spans.iter()).iter().map(|span| among(&column, span)).collect::<Vec<_>>(),
                Takes::Conditions(conditions) => conditions.iter().map(|(_, c)| format!("({c})")).collect(),
            };
            let all = if all.is_empty() { "false".to_owned() } else { all.join(" OR ") };
            terms.push(format!("(({all}) IS NOT TRUE)"));
        }
        if terms.is_empty() { "false".to_owned() } else { format!("({})", terms.join(" OR ")) }
    }

    /// From which values on and before which values rows stand there, where that is by time and nothing else is there.
    pub fn spans(&self, touched: &Touched) -> Vec<(String, String)> {
        match &self.takes {
            Takes::Spans(spans) => merged(spans.iter().filter(|span| touched.parts.contains(&span.oid))),
            Takes::Conditions(_) => Vec::new(),
        }
    }

    /// Where spans begin and end, in order.
    fn bounds(&self) -> Vec<(NaiveDateTime, &str)> {
        let Takes::Spans(spans) = &self.takes else { return Vec::new() };
        let both = spans.iter().flat_map(|span| [(span.from, span.lower.as_str()), (span.to, span.upper.as_str())]);
        let mut bounds: Vec<_> = both.collect();
        bounds.sort_unstable();
        bounds.dedup_by_key(|(at, _)| *at);
        bounds
    }

    /// The partition of a place that the server told.
    fn at(&self, at: usize, bounds: &[(NaiveDateTime, &str)]) -> Option<i64> {
        match &self.takes {
            Takes::Spans(spans) => {
                let (from, _) = bounds.get(at.checked_sub(1)?)?;
                spans.iter().find(|span| span.from == *from).map(|span| span.oid)
            }
            Takes::Conditions(conditions) => conditions.get(at).map(|(oid, _)| *oid),
        }
    }
}

fn among(column: &str, (lower, upper): &(String, String)) -> String {
    format!("({column} >= {} AND {column} < {})", quote_literal(lower), quote_literal(upper))
}

/// Spans side by side are one.
fn merged<'a>(spans: impl Iterator<Item = &'a Span>) -> Vec<(String, String)> {
    let mut merged: Vec<(NaiveDateTime, String, String)> = Vec::new();
    for span in spans {
        match merged.last_mut().filter(|(to, _, _)| *to == span.from) {
            Some((to, _, upper)) => (*to, *upper) = (span.to, span.upper.clone()),
            None => merged.push((span.to, span.lower.clone(), span.upper.clone())),
        }
    }
    merged.into_iter().map(|(_, lower, upper)| (lower, upper)).collect()
}

/// The spans of partitions by time, in order; `None` where one of them is none.
fn spans(mart: &Mart, live: &Relation) -> Option<Vec<Span>> {
    let (kind, zone) = time_of(mart, &live.columns)?.ok()?;
    let span = |oid: i64, bound: &str| {
        let (lower, upper) = range_of(bound)?;
        Some(Span { oid, from: kind.read(&lower, zone)?, to: kind.read(&upper, zone)?, lower, upper })
    };
    let ranges = live.partitions.iter().filter(|attached| !attached.is_default());
    let mut spans: Vec<Span> = ranges.map(|attached| span(attached.oid, &attached.bound)).collect::<Option<_>>()?;
    spans.sort_by_key(|span| span.from);
    Some(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn division(default: Option<i64>) -> Division {
        let time =
            |day: &str| NaiveDateTime::parse_from_str(&format!("{day} 00:00"), "%Y-%m-%d %H:%M").unwrap_or_default();
        let span = |oid, lower: &str, upper: &str| Span {
            oid,
            from: time(lower),
            to: time(upper),
            lower: lower.into(),
            upper: upper.into(),
        };
        let spans = vec![
            span(1, "2026-01-01", "2026-02-01"),
            span(2, "2026-02-01", "2026-03-01"),
            span(3, "2026-04-01", "2026-05-01"),
        ];
        Division { column: "day".into(), takes: Takes::Spans(spans), default }
    }

    fn touched(parts: &[i64], others: bool) -> Touched {
        Touched { parts: parts.iter().copied().collect(), others }
    }

    #[test]
    fn neighbours_are_one_condition() {
        let told = |parts: &[i64], others| division(None).condition(&touched(parts, others));
        assert_eq!(told(&[1], false), "((day >= '2026-01-01' AND day < '2026-02-01'))");
        assert_eq!(told(&[1, 2], false), "((day >= '2026-01-01' AND day < '2026-03-01'))");
        assert_eq!(
            told(&[2, 3], false),
            "((day >= '2026-02-01' AND day < '2026-03-01') OR (day >= '2026-04-01' AND day < '2026-05-01'))"
        );
        assert_eq!(
            told(&[], true),
            "((((day >= '2026-01-01' AND day < '2026-03-01') OR (day >= '2026-04-01' AND day < '2026-05-01')) IS NOT TRUE))"
        );
        assert_eq!(told(&[], false), "false");
    }

    #[test]
    fn places_are_partitions() {
        let division = division(Some(9));
        let bounds = division.bounds();
        assert_eq!(bounds.len(), 5);
        let places: Vec<Option<i64>> = (0..=5).map(|at| division.at(at, &bounds)).collect();
        assert_eq!(places, [None, Some(1), Some(2), None, Some(3), None]);
        assert!(division.is_all(&touched(&[1, 2, 3], false)) && !division.is_all(&touched(&[1, 2, 9], true)));
        assert!(!division.is_homeless(&touched(&[9], true)));
    }
}

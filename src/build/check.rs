//! Checks of rows: of what was built and is not published yet, and of what is published.

use std::time::Instant;

use serde::Serialize;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::exact::exact;
use super::session::{Frame, SessionState};
use super::statement;
use crate::database::{ErrorKind, SqlError};
use crate::sql::check_query;
use crate::state::{CheckDecl, CheckSeverity, Mart, QName};

/// So many of the rows that fail are kept.
pub const SAMPLE: usize = 5;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// It returned nothing.
    Passed,
    /// It returned rows.
    Failed,
    /// It could not be run to its end.
    Error,
}

impl CheckStatus {
    /// The word programs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Error => "error",
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckResult {
    /// The mart: schema and name, quoted where needed.
    pub mart: String,
    /// The check.
    pub name: String,
    /// What it means when it does not pass.
    pub severity: CheckSeverity,
    /// How it ended.
    pub status: CheckStatus,
    /// How many rows it returned; `None` where it could not be run.
    pub failing_rows: Option<i64>,
    /// Some of them: objects by column, or the beginning of a row that is too long.
    pub sample: Vec<Value>,
    /// What is wrong.
    pub message: Option<String>,
    /// How long it took.
    pub duration_ms: f64,
}

impl CheckResult {
    /// Whether it stands against publishing.
    pub fn stops(&self) -> bool {
        self.severity == CheckSeverity::Error && self.status != CheckStatus::Passed
    }

    /// Whether it did not pass, and nothing is stopped by that.
    pub fn warns(&self) -> bool {
        self.severity == CheckSeverity::Warn && self.status != CheckStatus::Passed
    }
}

/// Runs one check, whose query is `sql`, in the caller's transaction. It cannot change anything, and where PostgreSQL
/// refuses it the transaction goes on.
///
/// # Errors
/// Where the connection is lost, or somebody cancels it.
pub async fn check(
    conn: &mut PgConnection,
    session: &mut SessionState,
    frame: &Frame,
    mart: &str,
    decl: &CheckDecl,
    sql: &str,
) -> Result<CheckResult, SqlError> {
    // Before the savepoint: what is set behind it goes with it.
    session.enter(conn, frame).await?;
    sqlx::raw_sql("SAVEPOINT datamart_check; SET LOCAL transaction_read_only = on").execute(&mut *conn).await?;
    let clock = Instant::now();
    let sample = statement::sample(sql, SAMPLE);
    let found = sqlx::query(AssertSqlSafe(sample)).persistent(false).fetch_one(&mut *conn).await;
    let duration_ms = (clock.elapsed().as_secs_f64() * 1e6).round() / 1e3;
    let found = found.and_then(|row| Ok((row.try_get::<i64, _>(0)?, row.try_get::<Option<Vec<String>>, _>(1)?)));
    let found = match found.map_err(SqlError::from) {
        Err(error) if matches!(error.kind, ErrorKind::Connection | ErrorKind::Cancelled) => return Err(error),
        found => found,
    };
    sqlx::raw_sql("ROLLBACK TO SAVEPOINT datamart_check; RELEASE SAVEPOINT datamart_check").execute(conn).await?;
    let mut result = CheckResult {
        mart: mart.to_owned(),
        name: decl.name.clone(),
        severity: decl.severity,
        status: CheckStatus::Passed,
        failing_rows: None,
        sample: Vec::new(),
        message: None,
        duration_ms,
    };
    match found {
        Ok((rows, sample)) => {
            result.failing_rows = Some(rows);
            if rows > 0 {
                result.status = CheckStatus::Failed;
                result.message = Some(decl.form.failure(rows));
                let read = |text: String| serde_json::from_str(&exact(&text)).unwrap_or(Value::String(text));
                result.sample = sample.unwrap_or_default().into_iter().map(read).collect();
            }
        }
        Err(error) => {
            result.status = CheckStatus::Error;
            result.message = Some(error.message.clone());
        }
    }
    Ok(result)
}

/// Runs a mart's checks on the rows of `relation`, in the caller's transaction.
///
/// # Errors
/// As [`check`].
pub async fn check_all(
    conn: &mut PgConnection,
    session: &mut SessionState,
    frame: &Frame,
    mart: &Mart,
    relation: &QName,
    results: &mut Vec<CheckResult>,
) -> Result<(), SqlError> {
    let name = mart.name.to_string();
    for decl in &mart.checks {
        let sql = check_query(decl, relation, &|_, _| None);
        results.push(check(conn, session, frame, &name, decl, &sql).await?);
    }
    Ok(())
}

/// The error that checks mean, where one stands against publishing.
pub fn failure(results: &[CheckResult]) -> Option<SqlError> {
    let stops: Vec<&CheckResult> = results.iter().filter(|result| result.stops()).collect();
    let message = match stops.as_slice() {
        [] => return None,
        [one] => {
            let word = if one.status == CheckStatus::Failed { "failed" } else { "could not be run" };
            format!("check {} {word}: {}", one.name, one.message.as_deref().unwrap_or_default())
        }
        more => {
            let names: Vec<&str> = more.iter().map(|result| result.name.as_str()).collect();
            format!("{} checks failed: {}", more.len(), names.join(", "))
        }
    };
    Some(SqlError::new(ErrorKind::Check, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(name: &str, severity: CheckSeverity, status: CheckStatus) -> CheckResult {
        CheckResult {
            mart: "public.m".into(),
            name: name.into(),
            severity,
            status,
            failing_rows: Some(1),
            sample: Vec::new(),
            message: Some("1 row returned".into()),
            duration_ms: 1.0,
        }
    }

    #[test]
    fn what_stops_is_told() {
        use CheckSeverity::{Error, Warn};
        let said = |results: &[CheckResult]| failure(results).map(|error| error.message.clone());
        let (a, b) = (result("a", Error, CheckStatus::Failed), result("b", Error, CheckStatus::Error));
        assert_eq!(said(&[result("a", Error, CheckStatus::Passed), result("w", Warn, CheckStatus::Failed)]), None);
        assert_eq!(said(std::slice::from_ref(&a)).as_deref(), Some("check a failed: 1 row returned"));
        assert_eq!(said(std::slice::from_ref(&b)).as_deref(), Some("check b could not be run: 1 row returned"));
        assert_eq!(said(&[a, b]).as_deref(), Some("2 checks failed: a, b"));
    }
}

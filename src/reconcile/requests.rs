//! The rows of runs that a daemon finds: what was asked for and waits, and what a daemon before it did not finish.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::database::SqlError;
use crate::database::lock::{lock_key, mart_lock};
use crate::database::registry::in_schema;
use crate::refresh::{Asked, How};
use crate::state::QName;

/// Where rows are: the registry's schema and the project.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    pub registry: String,
    pub project: String,
}

/// A run that was asked for and waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub run: i64,
    pub mart: QName,
    pub asked: Asked,
}

impl Rows {
    fn sql(&self, text: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(in_schema(text, &self.registry))
    }

    /// What waits, in the order of asking.
    ///
    /// # Errors
    /// What the server says; as everywhere here.
    pub async fn waiting(&self, conn: &mut PgConnection) -> Result<Vec<Waiting>, SqlError> {
        let rows = sqlx::query(self.sql(include_str!("sql/queued.sql"))).bind(&self.project).fetch_all(conn).await?;
        let mut waiting = Vec::with_capacity(rows.len());
        for row in rows {
            let run = row.try_get("run")?;
            let mart = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("mart")?);
            let asked = asked(row.try_get::<Option<Value>, _>("options")?.unwrap_or_default());
            waiting.push(Waiting { run, mart, asked: Asked { run: Some(run), ..asked } });
        }
        Ok(waiting)
    }

    /// Ends rows that wait and will not run; `kind` is that of an error.
    pub async fn refuse(
        &self,
        conn: &mut PgConnection,
        runs: &[i64],
        status: &str,
        (reason, kind): (&str, Option<&str>),
    ) -> Result<(), SqlError> {
        let query = sqlx::query(self.sql(include_str!("sql/refuse.sql")));
        query.bind(runs).bind(status).bind(reason).bind(kind).execute(conn).await?;
        Ok(())
    }

    /// Ends rows that waited for the same as a run that ended.
    pub async fn join(&self, conn: &mut PgConnection, runs: &[i64], run: i64) -> Result<(), SqlError> {
        sqlx::query(self.sql(include_str!("sql/join.sql"))).bind(runs).bind(run).execute(conn).await?;
        Ok(())
    }

    /// Closes the rows of runs that leaderships before `epoch` did not finish, where nobody works on them any more. How many are at
    /// work still: the server has not noticed yet that their daemon is gone.
    pub async fn recover(&self, conn: &mut PgConnection, epoch: i64) -> Result<usize, SqlError> {
        let query = sqlx::query(self.sql(include_str!("sql/unfinished.sql")));
        let rows = query.bind(&self.project).bind(epoch).fetch_all(&mut *conn).await?;
        let mut open: Vec<(i64, i64, bool)> = Vec::with_capacity(rows.len());
        for row in rows {
            let mart = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("mart")?);
            let key = lock_key(&self.registry, &self.project, &mart_lock(&mart));
            open.push((row.try_get("run")?, key, row.try_get("alive")?));
        }
        if open.is_empty() {
            return Ok(0);
        }
        let keys: Vec<i64> = open.iter().map(|(_, key, _)| *key).collect();
        let held = sqlx::query_scalar(include_str!("sql/held.sql")).bind(keys).fetch_all(&mut *conn).await?;
        let held: BTreeSet<i64> = held.into_iter().collect();
        let over = |(_, key, alive): &&(i64, i64, bool)| !alive && !held.contains(key);
        let free: Vec<i64> = open.iter().filter(over).map(|(run, ..)| *run).collect();
        sqlx::query(self.sql(include_str!("sql/abandon.sql"))).bind(&free).execute(conn).await?;
        Ok(open.len() - free.len())
    }

    /// When the last good run of a mart began, where it is not one of leadership `epoch`; and the last one that changed its rows.
    pub async fn elsewhere(
        &self,
        conn: &mut PgConnection,
        mart: &QName,
        epoch: i64,
    ) -> Result<Option<(DateTime<Utc>, Option<DateTime<Utc>>)>, SqlError> {
        let query = sqlx::query(self.sql(include_str!("sql/latest.sql")));
        let row = query.bind(&self.project).bind(&mart.schema).bind(&mart.name).fetch_optional(conn).await?;
        let Some(row) = row else { return Ok(None) };
        let ours = row.try_get::<Option<i64>, _>("epoch")? == Some(epoch);
        Ok(if ours { None } else { Some((row.try_get("started_at")?, row.try_get("changed_at")?)) })
    }
}

/// `{"how": …, "days": …, "concurrent": …}`, as `refresh::enqueue` and the procedures write it.
fn asked(options: Value) -> Asked {
    let how = match options["how"].as_str() {
        Some("full") => How::Full,
        Some("incremental") => How::Incremental,
        Some("smart") => How::Smart,
        _ => How::AsDeclared,
    };
    let days = options["days"].as_u64().and_then(|days| u32::try_from(days).ok());
    Asked { how, days, concurrent: options["concurrent"].as_bool(), ..Asked::default() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn options_are_read_as_they_are_written() {
        let options = json!({"how": "incremental", "days": 2, "concurrent": false});
        let expected = Asked { how: How::Incremental, days: Some(2), concurrent: Some(false), ..Asked::default() };
        assert_eq!(asked(options), expected);
        assert_eq!(asked(Value::Null), Asked::default());
    }
}

//! When marts run next: as the daemon that leads says, or as they are declared where none ever kept them.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::ages;
use super::{Looked, ObserveError};
use crate::database::registry::in_schema;
use crate::state::{Mart, QName};

/// What is known of it.
pub(super) struct Due {
    /// What a daemon said; nothing of a mart where the one that said it leads no more. `None`: no daemon ever said anything.
    said: Option<HashMap<QName, Option<DateTime<Utc>>>>,
}

impl Due {
    /// Reads what daemons said of the marts of a project.
    pub async fn read(conn: &mut PgConnection, looked: &Looked<'_>) -> Result<Self, ObserveError> {
        let Some(registry) = looked.registry else { return Ok(Self { said: None }) };
        // A registry that is older than this has none.
        let there = "SELECT pg_catalog.to_regclass(pg_catalog.format('%I.due', $1)) IS NOT NULL";
        if !sqlx::query_scalar::<_, bool>(there).bind(registry).fetch_one(&mut *conn).await? {
            return Ok(Self { said: None });
        }
        let sql = in_schema(include_str!("sql/due.sql"), registry);
        let rows = sqlx::query(AssertSqlSafe(sql)).bind(looked.project).fetch_all(conn).await?;
        let mut said = HashMap::new();
        for row in &rows {
            let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
            said.insert(name, row.try_get("at")?);
        }
        Ok(Self { said: Some(said).filter(|said| !said.is_empty()) })
    }

    /// When a mart runs next, whose last run began then.
    pub fn of(&self, mart: &Mart, last: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.said {
            _ if mart.refresh.suspend || !mart.kind.has_data() => None,
            Some(said) => said.get(&mart.name).copied().flatten(),
            None => ages::next_run(mart, last, now),
        }
    }
}

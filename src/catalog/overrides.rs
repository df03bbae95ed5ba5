//! What holds instead of what a manifest says: marts that are suspended, other schedules.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::CatalogError;
use crate::state::{Fingerprint, Mart, QName, RefreshPolicy, Strategy, quote_ident};

/// What one holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Instead {
    /// No refresh begins by itself.
    Suspend,
    /// These schedules, instead of those of the manifest and of its target lag.
    Schedule(Vec<String>),
}

/// Something that holds instead of what a manifest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Override {
    /// The mart; `None`: all of the project.
    pub mart: Option<QName>,
    /// What holds.
    pub instead: Instead,
    /// It holds while the mart's file has this fingerprint; `None`: until it is taken back.
    pub file: Option<Fingerprint>,
    /// Who said so.
    pub who: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// All that holds in a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides(pub Vec<Override>);

impl Overrides {
    /// Who suspended a mart, or all of them.
    pub fn suspension(&self, mart: &QName) -> Option<&Override> {
        let suspended = |found: &&Override| found.instead == Instead::Suspend;
        let of = |found: &&Override| found.mart.as_ref().is_none_or(|name| name == mart);
        self.0.iter().filter(suspended).find(of)
    }

    /// The schedule that holds for a mart whose file has this fingerprint, as far as that is known.
    pub fn schedule(&self, mart: &QName, file: Option<&Fingerprint>) -> Option<(&[String], &Override)> {
        self.0.iter().find_map(|found| match &found.instead {
            Instead::Schedule(schedule) if found.mart.as_ref() == Some(mart) => {
                let holds = found.file.as_ref().zip(file).is_none_or(|(then, now)| then == now);
                holds.then_some((schedule.as_slice(), found))
            }
            _ => None,
        })
    }

    /// When a mart is refreshed, with what holds instead of its manifest.
    pub fn policy(&self, mart: &Mart, file: Option<&Fingerprint>) -> RefreshPolicy {
        let mut policy = mart.refresh.clone();
        policy.suspend |= self.suspension(&mart.name).is_some();
        if let Some((schedule, _)) = self.schedule(&mart.name, file) {
            policy.schedule = schedule.to_vec();
            policy.target_lag = None;
            if policy.strategy == Strategy::Manual {
                policy.strategy = Strategy::Scheduled;
            }
        }
        policy
    }
}

/// Reads what holds in a project. The registry has format 4 at least.
///
/// # Errors
/// What the server says.
pub async fn overrides(conn: &mut PgConnection, registry: &str, project: &str) -> Result<Overrides, CatalogError> {
    let sql = include_str!("sql/overrides.sql").replace("{registry}", &quote_ident(registry));
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(project).fetch_all(conn).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let (schema, name): (String, String) = (row.try_get("schema")?, row.try_get("name")?);
        let instead = match row.try_get("what")? {
            "schedule" => Instead::Schedule(schedules(row.try_get("value")?)),
            _ => Instead::Suspend,
        };
        found.push(Override {
            mart: (!name.is_empty()).then(|| QName::new(schema, name)),
            instead,
            file: row.try_get::<Option<String>, _>("file")?.map(Fingerprint),
            who: row.try_get("who")?,
            at: row.try_get("at")?,
        });
    }
    Ok(Overrides(found))
}

/// Drift is put back so often within an hour, and then no more: somebody else wants it otherwise.
pub const STALLED: i64 = 3;

/// What of which mart was put back [`STALLED`] times within the last hour. The registry has format 4 at least.
///
/// # Errors
/// What the server says.
pub async fn stalled(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
) -> Result<BTreeMap<String, Vec<String>>, CatalogError> {
    let sql = include_str!("sql/stalled.sql").replace("{registry}", &quote_ident(registry));
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(project).bind(STALLED).fetch_all(conn).await?;
    let read = |row: &sqlx::postgres::PgRow| Ok((row.try_get("address")?, row.try_get("objects")?));
    rows.iter().map(read).collect()
}

/// `{"schedule": ["*/5 * * * *"]}`.
fn schedules(value: Option<Value>) -> Vec<String> {
    let Some(Value::Object(mut value)) = value else { return Vec::new() };
    let Some(Value::Array(said)) = value.remove("schedule") else { return Vec::new() };
    said.into_iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Kind;

    fn mart(refresh: RefreshPolicy) -> Mart {
        let json = serde_json::json!({
            "name": QName::new("public", "sales"), "type": Kind::Table, "query": "SELECT 1", "search_path": ["public"],
            "timezone": "UTC", "refresh": refresh,
        });
        serde_json::from_value(json).unwrap()
    }

    fn instead(mart: Option<&str>, instead: Instead, file: Option<&str>) -> Override {
        Override {
            mart: mart.map(|name| QName::new("public", name)),
            instead,
            file: file.map(|text| Fingerprint(text.to_owned())),
            who: "ana".to_owned(),
            at: DateTime::default(),
        }
    }

    #[test]
    fn a_project_suspends_every_mart_and_a_mart_itself() {
        let sales = mart(RefreshPolicy::default());
        let suspended = |overrides: Vec<Override>| Overrides(overrides).policy(&sales, None).suspend;
        assert!(!suspended(Vec::new()));
        assert!(suspended(vec![instead(Some("sales"), Instead::Suspend, None)]));
        assert!(!suspended(vec![instead(Some("top"), Instead::Suspend, None)]));
        assert!(suspended(vec![instead(None, Instead::Suspend, None)]));
    }

    #[test]
    fn another_schedule_holds_while_the_file_is_what_it_was() {
        let hourly = mart(RefreshPolicy { target_lag: Some(60), ..RefreshPolicy::default() });
        let each = Instead::Schedule(vec!["10s".to_owned()]);
        let overrides = Overrides(vec![instead(Some("sales"), each, Some("a"))]);
        let now = overrides.policy(&hourly, Some(&Fingerprint("a".to_owned())));
        assert_eq!((now.schedule, now.target_lag, now.strategy), (vec!["10s".to_owned()], None, Strategy::Scheduled));
        assert_eq!(overrides.policy(&hourly, Some(&Fingerprint("b".to_owned()))), hourly.refresh);
        assert_eq!(overrides.policy(&hourly, None).schedule, ["10s"]);
    }
}

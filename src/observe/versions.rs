//! The versions of a mart.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;

use super::{Looked, ObserveError, human_size};
use crate::catalog::{self, Recorded};
use crate::state::QName;

/// The versions of a mart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Versions {
    /// The mart.
    pub mart: String,
    /// Which one is published.
    pub current: Option<u32>,
    /// Which one is published instead of the newest, because somebody said so.
    pub pinned: Option<u32>,
    /// All of them, the newest first.
    pub versions: Vec<VersionStatus>,
}

/// One version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionStatus {
    /// Its number.
    pub version: u32,
    /// The mart's view selects from it.
    pub published: bool,
    /// What stores its rows.
    pub relation: String,
    /// Its relation is there.
    pub present: bool,
    /// The planner's.
    pub row_count: Option<i64>,
    /// Whether `row_count` is the planner's.
    pub estimated: bool,
    /// Bytes, indexes included.
    pub size_bytes: Option<i64>,
    /// The same for people.
    pub size: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The git revision it came from.
    pub revision: Option<String>,
}

/// The versions of a versioned mart, in the caller's read-only transaction.
///
/// # Errors
/// What the server says.
pub async fn versions(conn: &mut PgConnection, looked: &Looked<'_>, row: &Recorded) -> Result<Versions, ObserveError> {
    let live = |name: &QName| looked.actual.relations.get(name);
    let sizes = catalog::sizes(conn, row.versions.iter().map(|version| &version.mart.name)).await?;
    // A rollback to the newest takes the pin away.
    let newest = row.versions.last().map(|version| version.number);
    let pinned = match &row.held {
        Some(held) => Some(held.pin).filter(|pin| Some(*pin) != newest),
        None => row.mart.versions.and_then(|versions| versions.pin),
    };
    let told = row.versions.iter().rev().map(|version| {
        let relation = live(&version.mart.name);
        let stored = relation.filter(|_| version.mart.kind.has_data());
        // The planner's estimate, far below 2^53.
        let rows = stored.filter(|live| live.tuples >= 0.0).map(|live| live.tuples as i64);
        let bytes = stored.and_then(|live| sizes.get(&live.name)).map(|stats| stats.total_bytes);
        VersionStatus {
            version: version.number,
            published: version.published,
            relation: version.mart.name.to_string(),
            present: relation.is_some(),
            row_count: rows,
            estimated: rows.is_some(),
            size_bytes: bytes,
            size: bytes.map(human_size),
            created_at: version.created_at,
            revision: version.revision.clone(),
        }
    });
    Ok(Versions {
        mart: row.mart.name.to_string(),
        current: row.published().map(|version| version.number),
        pinned,
        versions: told.collect(),
    })
}

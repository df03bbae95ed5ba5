//! What keeps marts as writers commit, as it is.

use std::collections::BTreeMap;

use sqlx::{PgConnection, Row};

use super::CatalogError;
use crate::state::Keeper;

/// What a project's writers keep marts with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keepers {
    /// Its functions, by name.
    pub functions: BTreeMap<String, KeeperFunction>,
    /// The trigger that calls them fires, and the tables are there.
    pub works: bool,
    /// Who calls the marts' functions: who made the first of them.
    pub caller: Option<String>,
}

/// One of the functions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeeperFunction {
    /// What its body is told by.
    pub body: String,
    /// … and was, when it was made.
    pub made: Option<String>,
}

impl KeeperFunction {
    /// Nobody changed it.
    pub fn is_as_made(&self) -> bool {
        self.made.as_ref() == Some(&self.body)
    }
}

impl Keepers {
    /// Reads them, in one query.
    pub(super) async fn read(conn: &mut PgConnection, registry: &str, project: &str) -> Result<Self, CatalogError> {
        let base = Keeper::new(registry, project).transactions().name;
        let rows = sqlx::query(include_str!("sql/keepers.sql")).bind(registry).bind(base).fetch_all(&mut *conn).await?;
        let mut keepers = Self::default();
        for row in rows {
            keepers.works = row.try_get("works")?;
            keepers.caller = row.try_get("caller")?;
            let function = KeeperFunction { body: row.try_get("body")?, made: row.try_get("made")? };
            keepers.functions.insert(row.try_get("name")?, function);
        }
        Ok(keepers)
    }
}

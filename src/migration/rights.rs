//! Who may read what: a view is created without looking at it, and refused when it is read.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgConnection, Row};

use crate::catalog::Actual;
use crate::database::SqlError;
use crate::manifest::DesiredMart;
use crate::state::QName;

/// Roles, and relations that they may read.
pub(super) type Rights = BTreeSet<(String, QName)>;

/// The role whose rights a mart's query runs with.
pub(super) fn reader(mart: &DesiredMart, actual: &Actual) -> String {
    let live = actual.relations.get(&mart.mart.name).map(|relation| &relation.owner);
    live.or(mart.mart.owner.as_ref()).unwrap_or(&actual.server.user).clone()
}

/// Which of the marts' owners may read what their marts read.
pub(super) async fn rights(
    conn: &mut PgConnection,
    marts: &[&DesiredMart],
    reads: &BTreeMap<QName, BTreeSet<QName>>,
    actual: &Actual,
) -> Result<Rights, SqlError> {
    let of_mart = |mart: &&DesiredMart| {
        let role = reader(mart, actual);
        let reads = reads.get(&mart.mart.name).into_iter().flatten();
        reads.map(|name| (role.clone(), name.clone())).collect::<Vec<_>>()
    };
    let wanted: Rights = marts.iter().flat_map(of_mart).collect();
    let roles: Vec<&str> = wanted.iter().map(|(role, _)| role.as_str()).collect();
    let schemas: Vec<&str> = wanted.iter().map(|(_, name)| name.schema.as_str()).collect();
    let names: Vec<&str> = wanted.iter().map(|(_, name)| name.name.as_str()).collect();
    let query = sqlx::query(include_str!("sql/rights.sql")).bind(&roles).bind(&schemas).bind(&names);
    let mut rights = Rights::new();
    for row in query.fetch_all(conn).await? {
        let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
        rights.insert((row.try_get("role")?, name));
    }
    Ok(rights)
}

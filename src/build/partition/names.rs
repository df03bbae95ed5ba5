//! Names of partitions: free before they are needed, and others once a partition is none any more.

use sqlx::PgConnection;

use crate::catalog::{CatalogError, names_taken};
use crate::database::{ErrorKind, SqlError};
use crate::state::{QName, detached_name};

/// More tables than that were not detached of one partition before.
const DETACHED_BEFORE: usize = 50;

/// Says which of the names that partitions of `mart` need something else has.
///
/// # Errors
/// There is one.
pub(super) async fn free(
    conn: &mut PgConnection,
    mart: &QName,
    names: impl Iterator<Item = &QName>,
) -> Result<(), SqlError> {
    let names: Vec<QName> = names.cloned().collect();
    if names.is_empty() {
        return Ok(());
    }
    let taken = names_taken(conn, &names).await.map_err(of_catalog)?;
    match taken.into_iter().next() {
        Some(name) => {
            let message =
                format!("{name} exists and is no partition of {mart}, which needs the name; rename or drop it");
            Err(SqlError::new(ErrorKind::Conflict, message))
        }
        None => Ok(()),
    }
}

/// The name that a partition gets when it becomes a table of its own.
pub(super) async fn name_of_its_own(
    conn: &mut PgConnection,
    mart: &QName,
    partition: &QName,
) -> Result<Option<QName>, SqlError> {
    let mut candidates: Vec<QName> = Vec::new();
    while candidates.len() < DETACHED_BEFORE {
        let Some(next) = detached_name(mart, partition, |name| candidates.contains(name)) else { break };
        candidates.push(next);
    }
    let taken = names_taken(conn, &candidates).await.map_err(of_catalog)?;
    Ok(candidates.into_iter().find(|name| !taken.contains(name)))
}

/// What PostgreSQL said when the catalog was read.
fn of_catalog(error: CatalogError) -> SqlError {
    match error {
        CatalogError::Sql(error) => error,
        error => SqlError::new(ErrorKind::Internal, error.to_string()),
    }
}

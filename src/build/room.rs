//! Whether there is room on the disk for what is built, as far as that can be known.

use nix::sys::statvfs::statvfs;
use sqlx::{PgConnection, Row};

use crate::database::{ErrorKind, SqlError};
use crate::state::{QName, human_size};

/// The error of building `marts` anew where it is clear that the disk has no room: it takes what they take now, beside it.
/// Only a server on this machine, whose folder can be looked at, is judged; elsewhere there is none.
///
/// # Errors
/// Where the catalog cannot be read.
pub async fn lacking_room(conn: &mut PgConnection, marts: &[&QName]) -> Result<Option<SqlError>, SqlError> {
    let names: Vec<String> = marts.iter().map(ToString::to_string).collect();
    let rows = sqlx::query(include_str!("sql/room.sql")).bind(&names).fetch_all(conn).await?;
    for row in rows {
        let Some(folder) = row.try_get::<Option<String>, _>("folder")? else { continue };
        let needed = u64::try_from(row.try_get::<i64, _>("bytes")?).unwrap_or_default();
        let Ok(disk) = statvfs(folder.as_str()) else { continue };
        let blocks: u64 = disk.blocks_available();
        if let Some(error) = lacking(needed, blocks.saturating_mul(disk.fragment_size()), &folder) {
            return Ok(Some(error));
        }
    }
    Ok(None)
}

fn lacking(needed: u64, free: u64, folder: &str) -> Option<SqlError> {
    let show = |bytes: u64| human_size(i64::try_from(bytes).unwrap_or(i64::MAX));
    let message = || {
        let (needed, free) = (show(needed), show(free));
        format!("not begun, because a build needs about {needed} beside what is there, and {free} are free in {folder}")
    };
    (needed > free).then(|| SqlError::new(ErrorKind::Resource, message()))
}

#[cfg(test)]
mod tests {
    use super::lacking;

    #[test]
    fn what_does_not_fit_is_not_begun() {
        assert_eq!(lacking(5_000_000_000, 5_000_000_000, "/data"), None);
        let said = lacking(5_000_000_000, 1_000_000_000, "/data").map(|error| error.message.clone());
        let wanted = "not begun, because a build needs about 4.7 GB beside what is there, and 954 MB are free in /data";
        assert_eq!(said.as_deref(), Some(wanted));
    }
}

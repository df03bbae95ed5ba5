//! What PostgreSQL and the registry have, read in one snapshot with a fixed number of queries.

mod actual;
mod columns;
mod aside;
mod attached;
mod behind;
mod called;
mod captures;
mod dependents;
mod divided;
mod extent;
mod existing;
mod extra;
mod extras;
mod followers;
mod introspect;
mod keepers;
mod kind;
mod marts;
mod measured;
mod measures;
mod options;
mod overrides;
mod partitions;
mod reach;
mod recorded;
mod renamed;
mod stats;
mod times;
mod trust;
mod version;

pub use actual::{Actual, DefaultAcl, Dependent, Follower, Left, Relation, Server, Taken};
pub use attached::Attached;
pub use behind::behind;
pub use captures::{CaptureScope, Captures, Log, Source, Trigger};
pub use columns::{Column, Index};
pub use divided::{Missed, frozen_until, is_frozen, is_history, names_taken};
pub use existing::{CronJob, Existing, Registered, TimeZone, cron_jobs, existing, registered, time_zone};
pub use extent::Divided;
pub use extra::{Extra, ExtraKind};
pub use introspect::{Scope, introspect, relations};
pub use keepers::{KeeperFunction, Keepers};
pub use kind::RelationKind;
pub use marts::recorded;
pub use measured::{IndexMeasure, Measures};
pub use measures::measures;
pub use overrides::{Instead, Override, Overrides, STALLED, overrides, stalled};
pub use partitions::{Matched, matched, wanted};
pub use reach::homes;
pub use recorded::{Applied, Held, ReadSignature, Recorded, RecordedVersion};
pub use stats::{IndexUse, PartSize, RelationStats, exact_rows, part_sizes, sizes, statistics};
pub use times::{Undividable, expired, kept_from, time_of};
pub use trust::{Untrusted, untrusted};
pub(crate) use version::next_version;

use crate::database::{ErrorKind, SqlError};

/// Why the catalog could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// PostgreSQL refused.
    #[error("cannot read the catalog: {0}")]
    Sql(#[from] SqlError),
    /// The registry holds something this program cannot read.
    #[error("the registry's row of {mart} cannot be read: {message}")]
    Registry {
        /// Which mart.
        mart: String,
        /// What is wrong with it.
        message: String,
    },
}

impl CatalogError {
    /// One fixed word: exit code, metric label, retry policy.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Sql(error) => error.kind,
            Self::Registry { .. } => ErrorKind::Internal,
        }
    }

    /// What was seen before is not there any more.
    pub fn outdated() -> Self {
        Self::Sql(SqlError::new(ErrorKind::Serialization, "what was seen was replaced before it was read"))
    }

    /// Whether somebody replaced what was being read, so that another snapshot sees what stands in its place.
    pub fn is_outdated(&self) -> bool {
        self.kind() == ErrorKind::Serialization
    }
}

impl From<sqlx::Error> for CatalogError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error.into())
    }
}

//! Making the change: a plan's steps in their transactions, each registry row with the change it records.

mod beside;
mod event;
mod execute;
mod ledger;
mod limited;
mod moved;
mod positions;
mod record;
mod room;
mod still;
mod told;
mod undo;
mod units;
mod version;
mod worker;

use crate::build::CheckResult;
use crate::catalog::CatalogError;
use crate::database::{DatabaseError, ErrorKind, SqlError};
use crate::plan::Refusal;

pub use event::Event;
pub use execute::apply;
pub use ledger::By;
pub use limited::apply_within;
pub(crate) use record::write as record;

/// What an apply did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Applied {
    /// The row of `applies`; `None` where nothing had to be done.
    pub id: Option<i64>,
    /// Marts whose changes are committed.
    pub marts: Vec<String>,
    /// Statements run.
    pub steps: usize,
    /// What the checks found.
    pub checks: Vec<CheckResult>,
}

/// Why an apply stopped.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The plan may not be applied as it is.
    #[error("the plan is refused: {}", refused.first().map_or("", |r| r.message.as_str()))]
    Refused {
        /// Everything that stands against it.
        refused: Vec<Refusal>,
    },
    /// What the plan read is not what it was.
    #[error("the plan is stale: {}", moved.join(", "))]
    Stale {
        /// What moved.
        moved: Vec<String>,
    },
    /// A server that only reads.
    #[error("{database} is a standby: it can be looked at, not changed")]
    Standby {
        /// Host and database.
        database: String,
    },
    /// The session that held our locks ended, so that another apply may have begun; the transaction was rolled back.
    #[error("the lock of this apply was taken away")]
    LockLost {
        /// Marts whose changes are committed.
        done: Vec<String>,
    },
    /// A statement failed; its transaction was rolled back.
    #[error("{mart}: {source}")]
    Step {
        /// The mart.
        mart: String,
        /// The statement.
        sql: String,
        /// It is part of a publication, which was tried more than once.
        publication: bool,
        /// What PostgreSQL said.
        #[source]
        source: SqlError,
        /// Marts that stay built aside, for the next apply to publish.
        aside: Vec<String>,
        /// Marts whose changes are committed.
        done: Vec<String>,
        /// Marts whose changes are not.
        undone: Vec<String>,
    },
    /// Checks of what was built did not pass; the transaction was rolled back, what was published stays.
    #[error("{mart}: {failure}")]
    Check {
        /// The mart of the first one.
        mart: String,
        /// What is wrong, in one line.
        failure: SqlError,
        /// What all checks found.
        results: Vec<CheckResult>,
        /// Marts whose changes are committed.
        done: Vec<String>,
        /// Marts whose changes are not.
        undone: Vec<String>,
    },
    /// The disk has no room for what would be built.
    #[error(transparent)]
    Room(SqlError),
    /// The catalog could not be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The registry could not be made or used.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The registry could not be written.
    #[error("cannot write the registry: {0}")]
    Registry(#[source] SqlError),
}

impl ApplyError {
    /// One fixed word: exit code, metric label, retry policy.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::Stale { .. } => "stale",
            Self::Standby { .. } => ErrorKind::ReadOnly.as_str(),
            Self::LockLost { .. } => ErrorKind::Lock.as_str(),
            Self::Step { source, .. } | Self::Registry(source) | Self::Room(source) => source.kind.as_str(),
            Self::Check { failure, .. } => failure.kind.as_str(),
            Self::Catalog(error) => error.kind().as_str(),
            Self::Database(error) => error.kind(),
        }
    }
}

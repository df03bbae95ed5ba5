//! What a query means to the server: scratch views in a transaction that rolls back.
//!
//! Nothing live is locked beyond reading, nothing is dropped, nothing stays.

mod canonical;
mod changes;
mod checks;
mod follow;
mod needed;
mod place;
mod allowed;
mod respelled;
mod restate;
mod said;
mod savepoint;
mod scratch;
mod settled;
mod span;
mod upstream;
mod weight;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use canonical::canonical;
pub use follow::{Asked, follow, follow_within};
pub use needed::needed;
pub(crate) use needed::{recorded_for, settings_changed};
pub use respelled::respelled;
pub use restate::{Restated, Stated, StatedIndex, restate};
pub use scratch::{attempt, attempt_within, compile};
pub use settled::settled;
pub(crate) use upstream::upstream_first;
pub use weight::Weight;

use chrono::NaiveDateTime;

use crate::catalog::Column;
use crate::database::{ErrorKind, SqlError};
use crate::manifest::DesiredMart;
use crate::state::{Changes, QName};

/// What the server says about the marts that were compiled.
#[derive(Debug, Clone, Default)]
pub struct Compiled {
    /// By name; those that follow marts and can are among them.
    pub marts: BTreeMap<QName, CompiledMart>,
    /// What depends on marts, is none, and may have to follow them.
    pub followers: Vec<Following>,
}

/// A view or materialized view that is no mart and may have to follow one.
#[derive(Debug, Clone)]
pub struct Following {
    /// As if it were declared: its own definition, owner and options.
    pub desired: DesiredMart,
    /// What the server says about it; `None` where it was not asked, or refuses.
    pub compiled: Option<CompiledMart>,
    /// Why it cannot follow: mostly PostgreSQL's words.
    pub lost: Option<String>,
    /// What its owner lacks to make it again, in PostgreSQL's words.
    pub denied: Option<String>,
}

/// What the server says about one mart's query.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CompiledMart {
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Its canonical text.
    pub definition: String,
    /// What it reads directly.
    pub reads: BTreeSet<QName>,
    /// The canonical text of the indexes that only the server can spell, by name.
    pub indexes: BTreeMap<String, String>,
    /// How its rows may follow what changed.
    pub changes: Option<Changes>,
    /// The first and the last time of its rows, on the wall of its zone: of a mart whose partitions begin with its rows.
    pub span: Option<(NaiveDateTime, NaiveDateTime)>,
    /// The query by the values of the column by which it is divided, where these tell its rows apart at any time.
    pub(crate) divided: Option<Changes>,
    /// What filling it weighs, where that can be divided.
    pub weight: Option<Weight>,
}

/// One mart that does not compile.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The mart.
    pub mart: QName,
    /// The index it is about.
    pub index: Option<String>,
    /// The check it is about.
    pub check: Option<String>,
    /// The key it is about, dotted, where it is another than the query, an index or a check.
    pub key: Option<String>,
    /// PostgreSQL's words; `position` counts characters of the query, from 1.
    pub error: SqlError,
}

/// What came of compiling marts of which some may not compile.
#[derive(Debug, Clone, Default)]
pub struct Tried {
    /// Those that do; one with an index that is refused is among them.
    pub compiled: Compiled,
    /// What PostgreSQL refuses.
    pub failures: Vec<Failure>,
    /// Marts not looked at, because they read one that failed.
    pub skipped: Vec<QName>,
}

/// Why compiling failed.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// Something else than a query.
    #[error("cannot compile the marts: {0}")]
    Sql(#[from] SqlError),
    /// Queries, indexes or checks that PostgreSQL refuses.
    #[error("{} mart(s) do not compile", failures.len())]
    Refused {
        /// All of them.
        failures: Vec<Failure>,
        /// Marts not looked at, because they read one that failed.
        skipped: Vec<QName>,
    },
}

impl CompileError {
    /// One fixed word: exit code, metric label, retry policy.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Sql(error) => error.kind,
            Self::Refused { failures, .. } => {
                failures.first().map_or(ErrorKind::Internal, |failure| failure.error.kind)
            }
        }
    }
}

impl From<sqlx::Error> for CompileError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error.into())
    }
}

//! What someone else's DDL would do to the marts: run in a transaction that rolls back, every mart compiled against the result.
//!
//! Nothing stays but what no rollback takes back: numbers drawn from sequences, what functions did outside of the database.

mod judge;
mod rights;
mod run;
mod scan;
mod script;
mod side;
mod watch;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::catalog::{Actual, CatalogError};
use crate::compile::{CompileError, Failure};
use crate::database::{DatabaseError, ErrorKind, SqlError};
use crate::manifest::Desired;
use crate::plan::{Options, PlanProblem};
use crate::state::{Kind, QName};

pub use run::check;
pub use script::{Script, Statement, Unfit, read};

/// What a migration is checked against.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The manifests.
    pub desired: &'a Desired,
    /// The database before it.
    pub actual: &'a Actual,
    /// How the plans before and after it are made.
    pub options: &'a Options,
    /// How long one of its statements may run; 0 is for ever.
    pub statement_timeout_ms: u64,
    /// What the time is.
    pub now: DateTime<Utc>,
}

/// What a migration does to the marts.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// The marts it does something to, in the manifests' order.
    pub marts: Vec<MartEffects>,
    /// Sources whose columns are others, or that are gone.
    pub sources: Vec<SourceChange>,
}

/// What it does to one mart.
#[derive(Debug, Clone)]
pub struct MartEffects {
    /// The mart.
    pub name: QName,
    /// Storage.
    pub kind: Kind,
    /// The worst first.
    pub effects: Vec<Effect>,
}

/// One thing it does.
#[derive(Debug, Clone)]
pub struct Effect {
    /// Which.
    pub kind: EffectKind,
    /// In one line.
    pub message: String,
    /// Where it comes from.
    pub at: At,
}

/// The kinds of effect, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectKind {
    /// It cannot be built or read any more.
    Breaks,
    /// Readers or refreshes wait while the migration runs.
    Blocks,
    /// The next apply has to change it.
    Rebuilds,
    /// It may become slower, or what it waits for takes long.
    Slows,
}

impl EffectKind {
    /// Every kind.
    pub const ALL: [EffectKind; 4] = [Self::Breaks, Self::Blocks, Self::Rebuilds, Self::Slows];

    /// The word programs read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Breaks => "breaks",
            Self::Blocks => "blocks",
            Self::Rebuilds => "rebuilds",
            Self::Slows => "slows",
        }
    }
}

/// Where an effect comes from.
#[derive(Debug, Clone)]
pub enum At {
    /// The statement of that number, from 0.
    Statement(usize),
    /// The mart's query or one of its indexes.
    Compile(Box<Failure>),
    /// A key of the mart's manifest.
    Key(Box<PlanProblem>),
    /// The mart as a whole.
    Mart,
}

/// A relation that marts read and that is another one now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceChange {
    /// Schema and name.
    pub full_name: String,
    /// In one line.
    pub change: String,
}

/// Why a migration could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// PostgreSQL refuses a statement; its position counts characters of the statement, from 1.
    #[error("statement {} of the migration fails: {error}", at + 1)]
    Statement {
        /// Its number, from 0.
        at: usize,
        /// PostgreSQL's words.
        error: SqlError,
    },
    /// A constraint that is checked at the end does not hold.
    #[error("the migration could not commit: {0}")]
    End(SqlError),
    /// The registry is not there any more.
    #[error("the migration drops the registry in schema {schema}: datamart would not know its marts any more")]
    Registry {
        /// Its schema.
        schema: String,
    },
    /// Nothing can be tried on a standby.
    #[error("this server is a standby: no migration can be tried on it")]
    Standby,
    /// Somebody stopped it.
    #[error("stopped")]
    Stopped,
    /// Something else than the migration's own.
    #[error("cannot check the migration: {0}")]
    Sql(#[from] SqlError),
    /// The marts could not be compiled at all.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The catalog could not be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The registry could not be read.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl MigrationError {
    /// Whether somebody replaced what we looked at meanwhile: nothing of the migration is there any more, and it can be tried again.
    fn is_outdated(&self) -> bool {
        match self {
            Self::Sql(error) | Self::Compile(CompileError::Sql(error)) => error.kind == ErrorKind::Serialization,
            Self::Catalog(error) => error.is_outdated(),
            _ => false,
        }
    }
}

impl From<sqlx::Error> for MigrationError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error.into())
    }
}

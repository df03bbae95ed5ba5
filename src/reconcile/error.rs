//! Why reconciling could not go on.

use super::GitError;
use crate::apply::ApplyError;
use crate::catalog::CatalogError;
use crate::compile::CompileError;
use crate::database::{DatabaseError, LockError, SqlError};
use crate::manifest::{Desired, ManifestError};
use crate::observe::ObserveError;
use crate::plan::PlanError;
use crate::refresh::RefreshError;

/// Why reconciling could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The manifests say something that cannot be.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The policy says something that nobody knows.
    #[error("{message}")]
    Policy {
        /// What, and under which key.
        message: String,
    },
    /// The branch they come from could not be had.
    #[error(transparent)]
    Git(#[from] GitError),
    /// Queries that PostgreSQL refuses.
    #[error("{source}")]
    Compile {
        /// What it said.
        source: CompileError,
        /// What was compiled, to find the places in the files.
        desired: Box<Desired>,
    },
    /// The manifests ask for what is not there.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The change could not be made.
    #[error(transparent)]
    Apply(Box<ApplyError>),
    /// Nothing could be refreshed.
    #[error(transparent)]
    Refresh(#[from] RefreshError),
    /// Nothing could be told.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// The catalog could not be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// No session, no registry.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// Somebody else holds a lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// What the server said.
    #[error(transparent)]
    Sql(#[from] SqlError),
}

impl ReconcileError {
    /// One fixed word: exit code, metric label, retry policy.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Manifest(_) | Self::Policy { .. } => "manifest",
            Self::Git(error) => error.kind(),
            Self::Compile { source, .. } => match source {
                CompileError::Refused { .. } => "query",
                CompileError::Sql(error) => error.kind.as_str(),
            },
            Self::Plan(_) => "manifest",
            Self::Apply(error) => error.kind(),
            Self::Refresh(error) => error.kind(),
            Self::Observe(error) => error.kind(),
            Self::Catalog(error) => error.kind().as_str(),
            Self::Database(error) => error.kind(),
            Self::Lock(error) => error.kind(),
            Self::Sql(error) => error.kind.as_str(),
        }
    }
}

impl From<ApplyError> for ReconcileError {
    fn from(error: ApplyError) -> Self {
        Self::Apply(Box::new(error))
    }
}

impl From<sqlx::Error> for ReconcileError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error.into())
    }
}

//! Telling how things are: the state of every mart, its freshness, its runs, some of its rows. Reads only.

mod ages;
mod check;
mod diff;
mod due;
mod event;
mod explain;
mod following;
mod graph;
mod mart;
mod metrics;
mod nodes;
mod notice;
mod notices;
mod partitions;
mod preview;
mod reading;
mod runs;
mod snapshot;
mod standing;
mod stats;
mod status;
mod subject;
mod summary;
mod versions;

use chrono::{DateTime, Utc};

use crate::catalog::{Actual, CatalogError};
use crate::database::{ErrorKind, SqlError};
use crate::manifest::Desired;

pub use crate::state::human_size;
pub use ages::{Ages, Freshness};
pub use check::check;
pub use diff::diff;
pub use event::Event;
pub use explain::{Explained, explain};
pub use following::Following;
pub use graph::{Graph, GraphEdge, GraphNode, Live, NodeKind, graph};
pub use mart::{ColumnStatus, Condition, IndexStatus, MartState, MartStatus, Rescheduled};
pub use metrics::{Gauges, metrics, own_metrics, since};
pub use nodes::{States, look_through_views, nodes};
pub use notice::{Notice, Occasion};
pub use notices::{Change, Notices, Since};
pub use partitions::{PartitionStatus, PartitionSummary};
pub use preview::{Preview, PreviewColumn, preview};
pub use runs::{PastRun, history, marts_with_history, open_runs, runs};
pub use snapshot::{begin, begin_rows, end};
pub use standing::{Standing, standing};
pub use stats::stats;
pub use status::status;
pub use summary::Summary;
pub use versions::{VersionStatus, Versions, versions};

/// What is looked at, and what it is measured against.
#[derive(Debug, Clone, Copy)]
pub struct Looked<'a> {
    /// The manifests, where they could be read.
    pub desired: Option<&'a Desired>,
    /// The database.
    pub actual: &'a Actual,
    /// The project's key in the registry.
    pub project: &'a str,
    /// The registry's schema; `None` where there is no registry yet.
    pub registry: Option<&'a str>,
    /// What the time is.
    pub now: DateTime<Utc>,
}

/// Why something could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// PostgreSQL refused.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// The catalog could not be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The relation is not there.
    #[error("{name} is not in the database")]
    Absent {
        /// The mart.
        name: String,
    },
}

impl ObserveError {
    /// One fixed word: exit code, metric label, retry policy.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sql(error) => error.kind.as_str(),
            Self::Catalog(error) => error.kind().as_str(),
            Self::Absent { .. } => ErrorKind::Missing.as_str(),
        }
    }
}

impl From<sqlx::Error> for ObserveError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error.into())
    }
}

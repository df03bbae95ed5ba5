//! Once a day the history is relieved of what is old, beside everything else.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use sqlx::Connection;
use tokio::task::JoinHandle;

use super::ReconcileError;
use super::log::told;
use crate::database::Endpoint;
use crate::refresh::prune;

/// Runs are kept for so many days.
const KEEP: TimeDelta = TimeDelta::days(90);
const DAY: Duration = Duration::from_secs(86_400);
/// Who has just begun to lead has better things to do.
const FIRST: Duration = Duration::from_secs(600);

/// Does it until it is dropped.
#[derive(Debug)]
pub(super) struct Pruning(JoinHandle<()>);

impl Pruning {
    /// Begins.
    pub fn new(endpoint: &Endpoint, registry: &str, project: &str) -> Self {
        let (endpoint, registry, project) = (endpoint.clone(), registry.to_owned(), project.to_owned());
        Self(tokio::spawn(async move {
            tokio::time::sleep(FIRST).await;
            loop {
                match once(&endpoint, &registry, &project).await {
                    Ok(0) => {}
                    Ok(runs) => tracing::info!(runs, "old runs were removed from the history"),
                    Err(error) => {
                        tracing::warn!(error = %told(&error), "old runs could not be removed from the history")
                    }
                }
                tokio::time::sleep(DAY).await;
            }
        }))
    }
}

impl Drop for Pruning {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn once(endpoint: &Endpoint, registry: &str, project: &str) -> Result<u64, ReconcileError> {
    let mut conn = endpoint.session("daemon pruning").await?;
    let gone = prune(&mut conn, registry, project, Utc::now() - KEEP).await?;
    conn.close().await?;
    Ok(gone)
}

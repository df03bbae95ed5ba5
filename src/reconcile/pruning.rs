//! Once a day the history is relieved of what is old, and partitions are made before rows need them, beside everything else.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use sqlx::Connection;
use tokio::task::JoinHandle;

use super::ReconcileError;
use super::log::told;
use crate::database::Endpoint;
use crate::refresh::{Options, Readied, RefreshError, keep_partitions, prune};

/// Runs are kept for so many days.
const KEEP: TimeDelta = TimeDelta::days(90);
const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);
/// Nobody queues behind the locks of a partition that comes or goes for longer.
const LOCK_TIMEOUT_MS: u64 = 100;
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
                match partitions(&endpoint, &registry, &project).await {
                    Ok(Readied { made, gone, hourly, failed }) => {
                        if made + gone > 0 {
                            tracing::info!(made, gone, "partitions were made, and old ones left");
                        }
                        for (mart, error) in &failed {
                            tracing::warn!(mart = %mart, error = %told(error), "partitions of a mart could not be made");
                        }
                        tokio::time::sleep(if failed.is_empty() { next(hourly) } else { HOUR }).await;
                    }
                    Err(error) => {
                        tracing::warn!(error = %told(&error), "partitions could not be made");
                        tokio::time::sleep(HOUR).await;
                    }
                }
            }
        }))
    }
}

/// Partitions of hours are made in time, too.
fn next(hourly: bool) -> Duration {
    if hourly { HOUR } else { DAY }
}

async fn partitions(endpoint: &Endpoint, registry: &str, project: &str) -> Result<Readied, RefreshError> {
    let options = Options {
        registry: registry.to_owned(),
        project: project.to_owned(),
        requested_by: "daemon".to_owned(),
        lock_timeout_ms: LOCK_TIMEOUT_MS,
        publish_lock_timeout_ms: LOCK_TIMEOUT_MS,
        ..Options::default()
    };
    keep_partitions(endpoint, &options).await
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

//! What is served, and what all answers are made from.

use std::net::SocketAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::{Semaphore, watch};

use super::cache::{Cache, Counted};
use super::keys::Keys;
use super::pool::Pool;
use super::problem::Problem;
use crate::database::Endpoint;
use crate::manifest::Desired;
use crate::reconcile::Vitals;

/// So many requests are answered at once, beside those that only wait for runs.
const REQUESTS: usize = 64;
/// So many webhooks are read at once: nobody knows who sends them until they are read.
const HOOKS: usize = 4;
/// So many wait for runs.
const WAITING: usize = 64;

/// What is served.
#[derive(Debug, Clone)]
pub struct Site {
    /// The database.
    pub endpoint: Endpoint,
    /// What the daemon knows of itself.
    pub vitals: watch::Receiver<Vitals>,
    /// The secrets.
    pub keys: Keys,
    /// What the time is.
    pub clock: fn() -> DateTime<Utc>,
}

/// What all answers are made from.
#[derive(Debug)]
pub(super) struct State {
    pub pool: Pool,
    pub vitals: watch::Receiver<Vitals>,
    pub keys: Keys,
    pub clock: fn() -> DateTime<Utc>,
    /// Where it is reached.
    pub local: SocketAddr,
    pub places: Arc<Semaphore>,
    pub hooks: Arc<Semaphore>,
    pub waiting: Semaphore,
    pub health: Cache,
    pub counted: Counted,
    /// True from the moment on in which it is to end.
    pub ending: watch::Receiver<bool>,
}

impl State {
    /// Nothing is asked yet.
    pub fn new(site: Site, local: SocketAddr, ending: watch::Receiver<bool>) -> Self {
        Self {
            pool: Pool::new(site.endpoint),
            vitals: site.vitals,
            keys: site.keys,
            clock: site.clock,
            local,
            places: Arc::new(Semaphore::new(REQUESTS)),
            hooks: Arc::new(Semaphore::new(HOOKS)),
            waiting: Semaphore::new(WAITING),
            health: Cache::default(),
            counted: Counted::default(),
            ending,
        }
    }

    /// The last good manifests.
    ///
    /// # Errors
    /// 503 where none could be read yet.
    pub fn desired(&self) -> Result<Arc<Desired>, Problem> {
        let desired = self.vitals.borrow().desired.clone();
        desired.ok_or_else(|| Problem::unavailable("no manifests could be read yet"))
    }
}

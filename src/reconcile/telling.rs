//! Telling who asked for it: hears of everything, decides what is news, hands it on. Nothing here is ever waited for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use tokio::task::JoinHandle;

use super::ReconcileError;
use super::line::Line;
use super::log::told;
use super::post::Post;
use crate::database::Endpoint;
use crate::database::registry::in_schema;
use crate::manifest::{Desired, Notification};
use crate::observe::{self, Change, Event, Notice, Notices, Since};
use crate::state::{Mart, QName};

/// So much may happen before somebody is told; beyond that the oldest goes.
const ROOM: usize = 5_000;
/// No sleep is longer: the clock may be set meanwhile.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Tells who asked for it. Does nothing where nobody did.
#[derive(Debug)]
pub struct Teller {
    line: Line<Event>,
    task: JoinHandle<()>,
}

impl Teller {
    /// Begins to listen, in a task of its own.
    pub fn new(endpoint: &Endpoint, registry: &str, project: &str) -> Self {
        let line = Line::new(ROOM);
        let desk = Decider {
            endpoint: endpoint.clone(),
            registry: registry.to_owned(),
            project: project.to_owned(),
            desired: None,
            applied: Arc::default(),
            asked: Vec::new(),
            posts: Vec::new(),
            notices: None,
            unsaved: Vec::new(),
        };
        let task = tokio::spawn(desk.run(line.clone()));
        Self { line, task }
    }

    /// Something happened. Returns at once, whatever becomes of it.
    pub fn tell(&self, event: Event) {
        self.line.push(event);
    }

    /// Nothing more happens; what did goes out within `limit`, or is given up.
    pub async fn finish(&mut self, limit: Duration) {
        self.line.close();
        let _ = tokio::time::timeout(limit, &mut self.task).await;
    }
}

/// A leadership that is over tells nothing more.
impl Drop for Teller {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Decider {
    endpoint: Endpoint,
    registry: String,
    project: String,
    desired: Option<Arc<Desired>>,
    applied: Arc<Vec<Mart>>,
    asked: Vec<Notification>,
    posts: Vec<Post>,
    /// `None` until the registry was read, and while nobody asks.
    notices: Option<Notices>,
    unsaved: Vec<Change>,
}

impl Decider {
    async fn run(mut self, line: Line<Event>) {
        loop {
            let due =
                self.notices.as_ref().and_then(Notices::next).map(|at| (at - Utc::now()).to_std().unwrap_or_default());
            let happened = tokio::select! {
                next = line.next() => match next {
                    Some((event, dropped)) => {
                        if dropped > 0 {
                            tracing::warn!(dropped, "more happened than could be told");
                        }
                        Some(event)
                    }
                    None => break,
                },
                () = tokio::time::sleep(due.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP)) => None,
            };
            let news = self.news(happened).await;
            self.save().await;
            self.send(&news);
        }
        for post in self.posts {
            post.finish().await;
        }
    }

    /// What is to be told now.
    async fn news(&mut self, happened: Option<Event>) -> Vec<Notice> {
        let mut news = match &happened {
            Some(Event::Settled(desired, applied)) => {
                self.settle(desired);
                self.applied = Arc::clone(applied);
                self.read().await
            }
            Some(Event::Elsewhere(_)) => self.read().await,
            _ => Vec::new(),
        };
        let Some(notices) = self.notices.as_mut() else { return news };
        let now = Utc::now();
        match happened {
            Some(Event::Ended(run)) => news.extend(notices.ended(&run, now)),
            Some(Event::Elsewhere(mart)) => news.extend(notices.refreshed_elsewhere(&mart)),
            Some(Event::Drifted(found, healed)) => news.extend(notices.drifted(&found, &healed)),
            Some(Event::Settled(..)) | None => {}
        }
        news.extend(notices.tick(now));
        self.unsaved.extend(notices.changes());
        news
    }

    fn settle(&mut self, desired: &Arc<Desired>) {
        self.desired = Some(Arc::clone(desired));
        let asked = &desired.project.notifications;
        if *asked != self.asked {
            self.asked.clone_from(asked);
            // What was on its way to the addresses before goes out by itself.
            self.posts = asked.iter().filter_map(Post::open).collect();
        }
        if self.posts.is_empty() {
            self.notices = None;
        }
    }

    /// How old the marts are, and, the first time, what was told before.
    async fn read(&mut self) -> Vec<Notice> {
        let Some(desired) = self.desired.clone().filter(|_| !self.posts.is_empty()) else { return Vec::new() };
        let first = self.notices.is_none();
        let (told_before, ages) = match self.facts(first).await {
            Ok(facts) => facts,
            Err(error) => {
                // Better told twice than never.
                tracing::warn!(error = %told(&error), "cannot read what was told before, and how old the marts are");
                Default::default()
            }
        };
        let notices = self.notices.get_or_insert_with(|| Notices::new(told_before));
        let marts = desired.marts.iter().map(|desired| &desired.mart).chain(&*self.applied);
        let marts = marts.map(|mart| (mart, ages.get(&mart.name).cloned().unwrap_or_default()));
        notices.marts(marts, Utc::now())
    }

    async fn facts(&self, first: bool) -> Result<(Vec<(String, String)>, HashMap<QName, Since>), ReconcileError> {
        let mut conn = self.endpoint.session("daemon notices").await?;
        let told = if first { told_before(&mut conn, &self.registry, &self.project).await? } else { Vec::new() };
        let ages = observe::since(&mut conn, &self.registry, &self.project).await?;
        conn.close().await?;
        Ok((told, ages))
    }

    /// Remembers what was told, for whoever leads next; later, where that fails.
    async fn save(&mut self) {
        if self.unsaved.is_empty() {
            return;
        }
        let saved = async {
            let mut conn = self.endpoint.session("daemon notices").await?;
            remember(&mut conn, &self.registry, &self.project, &self.unsaved).await?;
            Ok::<_, ReconcileError>(conn.close().await?)
        };
        match saved.await {
            Ok(()) => self.unsaved.clear(),
            Err(error) => tracing::warn!(error = %told(&error), "cannot remember what was told; trying again"),
        }
    }

    fn send(&self, news: &[Notice]) {
        for notice in news {
            let body = notice.body(&self.project, Utc::now());
            self.posts.iter().for_each(|post| post.send(notice.occasion, &body));
        }
    }
}

async fn told_before(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
) -> Result<Vec<(String, String)>, ReconcileError> {
    let sql = in_schema(include_str!("sql/told.sql"), registry);
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(project).fetch_all(conn).await?;
    let read = |row: &sqlx::postgres::PgRow| Ok((row.try_get("address")?, row.try_get("event")?));
    rows.iter().map(read).collect()
}

/// Writes the last word about each state.
async fn remember(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
    changes: &[Change],
) -> Result<(), ReconcileError> {
    let last: HashMap<(&str, &str), bool> =
        changes.iter().map(|change| ((change.mart.as_str(), change.state.as_str()), change.holds)).collect();
    let (mut marts, mut states, mut holds) = (Vec::new(), Vec::new(), Vec::new());
    for ((mart, state), is) in last {
        marts.push(mart);
        states.push(state);
        holds.push(is);
    }
    let sql = in_schema(include_str!("sql/remember.sql"), registry);
    sqlx::query(AssertSqlSafe(sql)).bind(project).bind(marts).bind(states).bind(holds).execute(conn).await?;
    Ok(())
}

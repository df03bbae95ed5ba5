//! What is to be refreshed when: the queue, what is known of the marts, and the rows that wait in the history.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use super::Seen;
use super::due::Times;
use super::ground::{Ground, Went};
use super::queue::{Cause, Ended, Outcome, Queue, Requested, Skip, Start};
use super::requests::Rows;
use super::runs::Finished;
use super::touch::Touch;
use super::wanted::Wanted;
use crate::database::retry::Backoff;
use crate::database::{LockError, SqlError};
use crate::manifest::Desired;
use crate::refresh::{Asked, Item, MOST_DAYS, Method, Options, RefreshError, RunStatus};
use crate::state::QName;

/// A mart whose lock somebody has is tried again after these pauses.
const HELD: Backoff = Backoff { attempts: u32::MAX, first: Duration::from_secs(1), longest: Duration::from_secs(30) };
/// What has to wait for quieter times, or for the maintenance window, after these.
const LATER: Backoff = Backoff { attempts: u32::MAX, first: Duration::from_secs(5), longest: Duration::from_secs(300) };
/// Sessions are opened so long before they are needed.
const AHEAD: TimeDelta = TimeDelta::milliseconds(400);

/// A run that begins, and all that it needs.
pub(super) struct Begin {
    pub start: Start,
    pub item: Item,
    /// What goes along with it, upstream first.
    pub along: Vec<Item>,
    pub options: Rc<Options>,
}

/// A run that does not.
pub(super) struct NotBegun {
    pub item: Item,
    pub options: Rc<Options>,
    pub reason: String,
    pub joined: Vec<i64>,
}

/// What is to be refreshed when.
pub(super) struct Agenda {
    queue: Queue,
    rows: Rows,
    pub epoch: i64,
    who: String,
    ground: Option<Ground>,
    /// Rows that wait in the history and that the queue knows of.
    requested: BTreeSet<i64>,
    /// Rows of marts that nobody knew when they were found: the database is looked at once more before they are refused.
    unknown: BTreeSet<i64>,
    /// How often in a row a mart could not begin, and whether the history says why.
    postponed: HashMap<QName, (u32, bool)>,
    /// Of one pass, its instant: what becomes due while it works is not its business.
    pass: Option<DateTime<Utc>>,
    wanted: Wanted,
}

impl Agenda {
    /// Nothing is known yet.
    pub fn new(rows: Rows, epoch: i64, who: &str, pass: Option<DateTime<Utc>>, wanted: Wanted) -> Self {
        Self {
            queue: Queue::new(u64::from(std::process::id()) ^ epoch.unsigned_abs()),
            rows,
            epoch,
            who: who.to_owned(),
            ground: None,
            requested: BTreeSet::new(),
            unknown: BTreeSet::new(),
            postponed: HashMap::new(),
            pass,
            wanted,
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.pass.unwrap_or_else(Utc::now)
    }

    /// Whether the marts are known.
    pub fn is_known(&self) -> bool {
        self.ground.is_some()
    }

    /// How many more runs may begin, where so many are at work and so many of these compute something still.
    pub fn places(&self, running: usize, computing: usize) -> usize {
        self.parallel().saturating_sub(computing).min(self.most().saturating_sub(running))
    }

    fn parallel(&self) -> usize {
        self.ground.as_ref().map_or(0, |ground| ground.options.parallel.max(1))
    }

    /// Those included that only wait for their commit.
    fn most(&self) -> usize {
        self.ground.as_ref().map_or(0, |ground| ground.options.most).max(self.parallel())
    }

    /// The marts are like this now.
    ///
    /// # Errors
    /// What the server says, as everywhere here.
    pub async fn settle(
        &mut self,
        conn: &mut PgConnection,
        (desired, seen): (&Desired, Seen),
        went: &HashMap<QName, Went>,
    ) -> Result<(), SqlError> {
        let mut ground = Ground::new(desired, seen, self.epoch, &self.who);
        let jobs = ground.jobs(desired, went);
        self.ground = Some(ground);
        let now = self.now();
        let gone = self.queue.set(jobs, now);
        // Where they cannot be refused now they are found again.
        self.requested.retain(|run| !gone.contains(run));
        if !gone.is_empty() {
            self.rows.refuse(conn, &gone, "cancelled", ("there is no such mart any more", Some("missing"))).await?;
        }
        Ok(())
    }

    /// Reads again what holds instead of manifests.
    pub async fn overrides(&mut self, conn: &mut PgConnection, desired: &Desired) -> Result<(), super::ReconcileError> {
        let Some(ground) = self.ground.as_mut() else { return Ok(()) };
        let (registry, project) = (&self.rows.registry, &self.rows.project);
        ground.seen.actual.overrides = crate::catalog::overrides(&mut *conn, registry, project).await?;
        let went = super::ground::went(&mut *conn, registry, project).await?;
        let jobs = ground.jobs(desired, &went);
        let now = self.now();
        self.queue.set(jobs, now);
        Ok(())
    }

    /// What begins now; `free` at most.
    pub fn begin(&mut self, free: usize) -> Vec<Begin> {
        let now = self.now();
        let Some(ground) = &self.ground else { return Vec::new() };
        self.queue.stand_aside(self.wanted.now());
        let mut begins = Vec::new();
        for start in self.queue.start(now, free) {
            // Who asked for it is answered each time.
            let told = self.postponed.get(&start.mart).is_some_and(|(_, told)| *told) && start.asked.run.is_none();
            match ground.item(&start.mart, Asked { waits: told, ..start.asked.clone() }) {
                Some(item) => {
                    let along = match item.goes_along() {
                        true => self.queue.along(&start.mart, |mart| ground.goes_along(mart), now),
                        false => Vec::new(),
                    };
                    let items = ground.together(&item, &along, now);
                    for mart in along.iter().filter(|mart| items.iter().all(|item| item.mart != **mart)) {
                        self.queue.apart(mart, true, now);
                    }
                    let along = items;
                    begins.push(Begin { item, along, options: ground.options.clone(), start });
                }
                // It was dropped since the queue was told of it; the next look tells the queue.
                None => {
                    let ended = Ended { started: now, outcome: Outcome::Failed, whole: false };
                    self.queue.ended(&start.mart, &ended, now);
                }
            }
        }
        begins
    }

    /// Takes what was asked for and waits in the history; `true` where there are marts among it that are not known.
    pub async fn take(&mut self, conn: &mut PgConnection) -> Result<bool, SqlError> {
        let waiting = self.rows.waiting(&mut *conn).await?;
        let present: BTreeSet<i64> = waiting.iter().map(|one| one.run).collect();
        for gone in self.requested.difference(&present).copied().collect::<Vec<_>>() {
            self.queue.cancel(gone);
            self.requested.remove(&gone);
        }
        let now = self.now();
        let (mut unknown, mut without, mut endless) = (BTreeSet::new(), Vec::new(), Vec::new());
        for one in waiting {
            if self.requested.contains(&one.run) {
                continue;
            }
            // The command line and HTTP refuse it; SQL lets it through.
            if one.asked.days.is_some_and(|days| days > MOST_DAYS) {
                endless.push(one.run);
                continue;
            }
            match self.queue.request(&one.mart, one.run, &one.asked, now) {
                Requested::Queued | Requested::Joined(_) => drop(self.requested.insert(one.run)),
                Requested::NoRows => without.push(one.run),
                Requested::Unknown => drop(unknown.insert(one.run)),
            }
        }
        if !without.is_empty() {
            self.rows.refuse(&mut *conn, &without, "noop", ("a view has no rows of its own", None)).await?;
        }
        if !endless.is_empty() {
            let reason = format!("days is from 1 to {MOST_DAYS}");
            self.rows.refuse(&mut *conn, &endless, "failed", (&reason, Some("data"))).await?;
        }
        let missing: Vec<i64> = unknown.intersection(&self.unknown).copied().collect();
        if !missing.is_empty() {
            self.rows.refuse(conn, &missing, "failed", ("there is no such mart", Some("missing"))).await?;
        }
        let look = unknown.len() > missing.len();
        self.unknown = unknown.into_iter().filter(|run| !missing.contains(run)).collect();
        Ok(look)
    }

    /// Somebody else refreshed a mart, perhaps.
    pub async fn refreshed(&mut self, conn: &mut PgConnection, name: &str) -> Result<(), SqlError> {
        let Some(mart) = self.ground.as_ref().and_then(|ground| ground.named(name)).cloned() else { return Ok(()) };
        if let Some((started, changed)) = self.rows.elsewhere(conn, &mart, self.epoch).await? {
            let now = self.now();
            self.queue.refreshed_elsewhere(&mart, started, changed, now);
        }
        Ok(())
    }

    /// A channel was notified.
    pub fn notified(&mut self, channel: &str) {
        let now = self.now();
        let Some(ground) = &self.ground else { return };
        for mart in ground.on_channel(channel) {
            self.queue.changed(mart, Cause::Notify, now);
        }
    }

    /// It ends with what is due now.
    pub fn is_pass(&self) -> bool {
        self.pass.is_some()
    }

    /// Sources of these marts were written to. A pass has no later when it might be quiet: what its first look finds is due, and what
    /// is written while it works is not its business.
    pub fn changed(&mut self, marts: &BTreeSet<QName>, first: bool) {
        let now = self.now();
        for mart in marts {
            match (self.is_pass(), first) {
                (false, _) => self.queue.changed(mart, Cause::Change, now),
                (true, true) => self.queue.changed_before(mart, now),
                (true, false) => {}
            }
        }
    }

    /// What is watched follows from the marts.
    pub fn watch(&self, touch: &mut Touch) {
        if let Some(ground) = &self.ground {
            touch.settle(ground);
        }
    }

    /// A run ended, or could not begin; what does not run because of it. Its own row is closed already, those joined to it are not.
    pub fn finished(&mut self, finished: &Finished) -> Vec<NotBegun> {
        if finished.cause.is_none() {
            self.forget(finished);
            return Vec::new();
        }
        let now = self.now();
        let outcome = self.outcome(finished, now);
        let method = finished.result.as_ref().ok().and_then(|run| run.method);
        let ended = Ended { started: finished.began, outcome, whole: method.is_some_and(Method::is_whole) };
        let skips = self.queue.ended(&finished.mart, &ended, now);
        match outcome {
            // It goes on waiting, and the row with it.
            Outcome::Held(_) => {}
            // Who asked for it is answered.
            Outcome::Postponed(_) => self.forget(finished),
            // What has to wait for quieter times waits on.
            _ if self.queue.waits_for_quiet(&finished.mart) => self.forget(finished),
            _ => {
                self.postponed.remove(&finished.mart);
                self.forget(finished);
            }
        }
        for (mart, alone) in &finished.apart {
            self.queue.apart(mart, *alone && outcome == Outcome::Good, now);
        }
        skips.into_iter().flat_map(|skip| self.not_begun(&skip)).collect()
    }

    /// Its rows wait no longer.
    fn forget(&mut self, finished: &Finished) {
        for run in finished.joined.iter().chain(&finished.waited) {
            self.requested.remove(run);
        }
    }

    fn outcome(&mut self, finished: &Finished, now: DateTime<Utc>) -> Outcome {
        let postponed = match &finished.result {
            Err(RefreshError::Lock(LockError::Held { .. })) => Some(HELD),
            Ok(run) if run.status == RunStatus::Skipped && !run.is_declined() => Some(LATER),
            _ => None,
        };
        if let Some(backoff) = postponed {
            let (times, told) = self.postponed.entry(finished.mart.clone()).or_default();
            *times = times.saturating_add(1);
            *told |= finished.result.is_ok();
            let pause = TimeDelta::from_std(backoff.pause(*times)).unwrap_or_default();
            // The maintenance window opens at a time that is known.
            let opens = finished.result.as_ref().ok().and_then(|run| run.not_before);
            return match finished.result {
                Ok(_) => Outcome::Postponed(opens.unwrap_or(now + pause)),
                Err(_) => Outcome::Held(now + pause),
            };
        }
        match &finished.result {
            Ok(run) => Outcome::of(run),
            Err(error) => Outcome::of_kind(error.kind()),
        }
    }

    /// What is written of a run that was due and does not begin: each row that waited for it, or one of its own.
    fn not_begun(&self, skip: &Skip) -> Option<NotBegun> {
        let ground = self.ground.as_ref()?;
        let (first, joined) =
            skip.runs.split_first().map_or((None, Vec::new()), |(one, more)| (Some(*one), more.to_vec()));
        let asked =
            Asked { run: first, cause: Some(skip.cause.as_str()), due_at: Some(skip.due_at), ..Asked::default() };
        let item = ground.item(&skip.mart, asked)?;
        Some(NotBegun { item, options: ground.options.clone(), reason: skip.reason(), joined })
    }

    /// When to look again for what is due: a little before it is, and then.
    pub fn next(&self) -> Option<DateTime<Utc>> {
        let now = Utc::now();
        self.queue.next().map(|at| if at - now > AHEAD { at - AHEAD } else { at })
    }

    /// How many runs may begin within a moment.
    pub fn soon(&self) -> usize {
        if self.pass.is_some() { 0 } else { self.queue.due_by(Utc::now() + AHEAD).min(self.most()) }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// When every mart is due.
    pub fn all_next(&self) -> Times {
        let names = self.ground.iter().flat_map(|ground| ground.seen.actual.recorded.keys());
        names.filter_map(|name| Some((name.clone(), self.queue.next_of(name)?))).collect()
    }

    /// The channels to listen on.
    pub fn channels(&self) -> BTreeSet<String> {
        self.ground.as_ref().map(Ground::channels).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refresh::Run;

    fn finished(result: Result<Run, RefreshError>, waited: Option<i64>) -> Finished {
        Finished {
            mart: QName::new("public", "sales"),
            cause: Some(Cause::Request),
            waited,
            joined: Vec::new(),
            began: Utc::now(),
            result,
            along: false,
            apart: Vec::new(),
        }
    }

    fn held() -> Finished {
        let error = LockError::Held {
            name: "mart:public.sales".to_owned(),
            pid: None,
            host: None,
            application: None,
            since: None,
        };
        finished(Err(RefreshError::Lock(error)), Some(7))
    }

    /// Whoever asked waits for the lock, too: the tries become rarer, up to a bound.
    #[test]
    fn a_request_whose_mart_is_held_is_tried_again_less_and_less_often() {
        let rows = Rows { registry: "datamart".to_owned(), project: "shop".to_owned() };
        let mut agenda = Agenda::new(rows, 1, "daemon", None, Wanted::default());
        let now = Utc::now();
        for whole in [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            let Outcome::Held(until) = agenda.outcome(&held(), now) else { panic!("it was given up") };
            let paused = (until - now).num_milliseconds();
            assert!((whole / 2..=whole).contains(&paused), "{paused} of {whole}");
        }
    }
}

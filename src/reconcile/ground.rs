//! What a daemon knows of its marts: as they are, when they are due, how they went.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::queue::{Cause, Job, Outcome, Past};
use super::{Seen, memory, policies};
use crate::catalog::{Actual, Recorded};
use crate::database::SqlError;
use crate::database::registry::in_schema;
use crate::manifest::Desired;
use crate::refresh::{Asked, Item, Options, items};
use crate::state::{Fingerprint, QName, Strategy};

/// What is known since the last look.
pub(super) struct Ground {
    pub seen: Seen,
    /// What holds for every run.
    pub options: Rc<Options>,
    /// Marts by their full names, as notifications name them.
    names: HashMap<String, QName>,
    /// Which marts a NOTIFY on a channel means.
    channels: BTreeMap<String, Vec<QName>>,
}

impl Ground {
    pub fn new(desired: &Desired, mut seen: Seen, epoch: i64, who: &str) -> Self {
        let options =
            Options { epoch: Some(epoch), requested_by: who.to_owned(), ..Options::of(&desired.project, &seen.actual) };
        let names = seen.actual.recorded.keys().map(|name| (name.to_string(), name.clone())).collect();
        forget(&mut seen.actual);
        let seen = memory::compacted(seen);
        Self { seen, options: Rc::new(options), names, channels: BTreeMap::new() }
    }

    /// When which mart is due. The channels of triggered marts are known from now on.
    pub fn jobs(&mut self, desired: &Desired, went: &HashMap<QName, Went>) -> Vec<Job> {
        let actual = &self.seen.actual;
        let policies = policies(Some(desired), actual);
        self.channels.clear();
        let mut jobs = Vec::with_capacity(actual.recorded.len());
        for (name, row) in &actual.recorded {
            let Some(policy) = policies.get(name).cloned() else { continue };
            if policy.strategy == Strategy::Triggered {
                let channel = policy.channel_of(name);
                self.channels.entry(channel).or_default().push(name.clone());
            }
            let went = went.get(name).cloned().unwrap_or_default();
            jobs.push(Job {
                mart: name.clone(),
                policy,
                timezone: row.mart.timezone.parse().unwrap_or(Tz::UTC),
                reads: reads(row, actual),
                has_rows: row.mart.kind.has_data(),
                size_bytes: went.size_bytes,
                usual: went.usual,
                basis: basis(row, actual),
                past: went.past,
            });
        }
        jobs
    }

    /// The channels of triggered marts.
    pub fn channels(&self) -> BTreeSet<String> {
        self.channels.keys().cloned().collect()
    }

    /// The marts that a NOTIFY on this channel means.
    pub fn on_channel(&self, channel: &str) -> &[QName] {
        self.channels.get(channel).map(Vec::as_slice).unwrap_or_default()
    }

    /// The mart of this full name.
    pub fn named(&self, text: &str) -> Option<&QName> {
        self.names.get(text)
    }

    /// Whether a mart may be refreshed in the transaction of one that it reads.
    pub fn goes_along(&self, mart: &QName) -> bool {
        self.item(mart, Asked::default()).is_some_and(|item| item.goes_along())
    }

    /// What goes along with a mart that is refreshed, upstream first.
    pub fn together(&self, item: &Item, along: &[QName], now: DateTime<Utc>) -> Vec<Item> {
        if along.is_empty() {
            return Vec::new();
        }
        let names = along.iter().chain([&item.mart]).cloned().collect();
        let mut items = items(&self.seen.actual, &names).unwrap_or_default();
        items.retain(|other| other.mart != item.mart);
        for other in &mut items {
            other.asked =
                Asked { along: true, cause: Some(Cause::After.as_str()), due_at: Some(now), ..Asked::default() };
        }
        items
    }

    /// A mart to be refreshed.
    pub fn item(&self, mart: &QName, asked: Asked) -> Option<Item> {
        let row = self.seen.actual.recorded.get(mart)?;
        Some(Item { asked, ..Item::new(row, &self.seen.actual, Vec::new()) })
    }
}

/// Forgets what only a plan reads: it stays in memory until the next look, and of a thousand marts it is most of it.
fn forget(actual: &mut Actual) {
    actual.taken = HashMap::new();
    for row in actual.recorded.values_mut() {
        let newest = row.mart.freshness.as_ref().and_then(|freshness| freshness.column.as_ref());
        let versions = row.versions.iter_mut().map(|version| &mut version.applied);
        for applied in versions.chain([&mut row.applied]) {
            // A refresh asks for the newest data by its column.
            applied.columns.retain(|column| Some(&column.name) == newest);
            applied.columns.shrink_to_fit();
            applied.indexes = BTreeMap::new();
            applied.comment = None;
            applied.options = BTreeMap::new();
            applied.tablespace = None;
            applied.grants = Vec::new();
        }
    }
    // Made at once, a map has no gaps.
    actual.recorded = std::mem::take(&mut actual.recorded).into_iter().collect();
    for relation in actual.relations.values_mut() {
        relation.definition = None;
        relation.columns.shrink_to_fit();
    }
    actual.relations.shrink_to_fit();
}

/// The marts that a mart reads, directly or through views that are no marts.
fn reads(row: &Recorded, actual: &Actual) -> BTreeSet<QName> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&QName> = row.applied.reads.values().map(|read| &read.name).collect();
    let mut passed: BTreeSet<&QName> = BTreeSet::new();
    while let Some(name) = open.pop() {
        if actual.recorded.contains_key(name) {
            found.insert(name.clone());
        } else if actual.followers.contains_key(name) && passed.insert(name) {
            open.extend(actual.recorded.keys().filter(|mart| has_reader(actual, mart, name)));
            open.extend(actual.followers.keys().filter(|view| has_reader(actual, view, name)));
        }
    }
    found.remove(&row.mart.name);
    found
}

fn has_reader(actual: &Actual, name: &QName, reader: &QName) -> bool {
    let found = actual.relations.get(name);
    found.is_some_and(|relation| relation.dependents.iter().any(|d| d.relation.as_ref() == Some(reader)))
}

/// What a failure that does not pass depends on: the mart as applied, the columns of what it reads.
fn basis(row: &Recorded, actual: &Actual) -> Fingerprint {
    let signature = |name: &QName| actual.relations.get(name).map(|relation| (relation.oid, relation.signature()));
    let sources: Vec<_> = row.applied.reads.values().map(|read| (&read.name, signature(&read.name))).collect();
    Fingerprint::of(&(&row.fingerprint, row.changed_at, sources))
}

/// How a mart's refreshes went.
#[derive(Debug, Clone, Default)]
pub(super) struct Went {
    past: Past,
    usual: Duration,
    size_bytes: i64,
}

/// How the refreshes of every mart went, in one query.
///
/// # Errors
/// What the server says.
pub(super) async fn went(
    conn: &mut PgConnection,
    registry: &str,
    project: &str,
) -> Result<HashMap<QName, Went>, SqlError> {
    let sql = in_schema(include_str!("sql/pasts.sql"), registry);
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(project).fetch_all(conn).await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        let name = QName::new(row.try_get::<String, _>("schema")?, row.try_get::<String, _>("name")?);
        let time = |column: &str| row.try_get::<Option<DateTime<Utc>>, _>(column);
        let built = row.try_get("created_at")?;
        // How old what was taken over was then nobody knows.
        let adopted = row.try_get::<Option<bool>, _>("adopted")?.unwrap_or_default();
        let failures = row.try_get::<i64, _>("failures")?;
        let kind: Option<String> = row.try_get("kind")?;
        let past = Past {
            started: time("started_at")?,
            ended: time("finished_at")?,
            snapshot: time("good")?.max(Some(built).filter(|_| !adopted)),
            known: Some(built),
            full: time("whole")?.max(Some(built)),
            changed: time("changed_at")?.zip(Some(row.try_get::<Option<String>, _>("changed")?.unwrap_or_default())),
            read: row.try_get("read")?,
            failures: u32::try_from(failures).unwrap_or_default(),
            can_pass: kind.as_deref().map(Outcome::of_kind) == Some(Outcome::Passing),
        };
        let usual = row.try_get::<Option<f64>, _>("usual_ms")?.unwrap_or_default();
        let went = Went {
            past,
            usual: Duration::try_from_secs_f64(usual / 1e3).unwrap_or_default(),
            size_bytes: row.try_get("size_bytes")?,
        };
        found.insert(name, went);
    }
    Ok(found)
}

impl std::fmt::Debug for Ground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ground").field("marts", &self.names.len()).finish_non_exhaustive()
    }
}

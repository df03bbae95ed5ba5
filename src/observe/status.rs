//! The state of every mart.

use std::borrow::Cow;
use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use super::ages::{self, Ages, Freshness};
use super::due::Due;
use super::following::{self, Following};
use super::mart::{ColumnStatus, Condition, IndexStatus, MartState, MartStatus, Rescheduled};
use super::runs::{self, Last, PastRun};
use super::subject::{Subject, subjects};
use super::{Looked, ObserveError, human_size, partitions};
use crate::catalog::{self, Relation, RelationStats};
use crate::plan::file_fingerprint;
use crate::state::{Keeper, Mart, QName};

/// Every mart that is declared or applied, by name: four queries, however many there are, and two more where some follow changes.
///
/// # Errors
/// What the server says.
pub async fn status(conn: &mut PgConnection, looked: &Looked<'_>) -> Result<Vec<MartStatus>, ObserveError> {
    let last = match looked.registry {
        Some(registry) => runs::last(conn, registry, looked.project).await?,
        None => HashMap::new(),
    };
    let marts = subjects(looked);
    let live = marts.values().filter_map(|s| s.live).map(|relation| &relation.name);
    let sizes = catalog::sizes(conn, live).await?;
    let mut following = following::read(conn, looked, &marts).await?;
    let due = Due::read(conn, looked).await?;
    let none = Last::default();
    let told = marts.values().map(|subject| {
        let size = subject.live.and_then(|relation| sizes.get(&relation.name));
        let following = following.remove(&subject.mart.name);
        tell(subject, last.get(&subject.mart.name).unwrap_or(&none), (size, following, &due), looked)
    });
    Ok(told.collect())
}

/// One mart, from all that was read.
fn tell(
    subject: &Subject<'_>,
    last: &Last,
    (size, following, due): (Option<&RelationStats>, Option<Following>, &Due),
    looked: &Looked<'_>,
) -> MartStatus {
    let Subject { mart, recorded, live, orphan } = subject;
    let in_force = in_force(mart, looked);
    let mart = &*in_force.mart;
    let now = looked.now;
    let stored = mart.kind.has_data() && live.is_some_and(|relation| relation.populated);
    // What an apply built is as new as the apply.
    let created = recorded.map(|row| row.created_at);
    let published = recorded.and_then(|row| row.published());
    // … and how old what was taken over was then nobody knows.
    let adopted = published.is_none() && recorded.is_some_and(|row| row.applied.adopted);
    let (built, taken) = if adopted { (None, created) } else { (created, None) };
    let filled = published.map(|version| version.created_at).or(built).filter(|_| stored);
    let good = last.good.as_ref();
    let since = |at: DateTime<Utc>| (now - at).num_seconds().max(0);
    // Whoever committed last brought it up to date; what a refresh has not looked at is in it all the same.
    let asks = stored && ages::is_kept(mart);
    let kept = asks && keeps(&mart.name, looked);
    let following = following.map(|following| if kept { following.kept() } else { following });
    let newest = good.and_then(|run| ages::newest(mart, run.newest.as_deref()?));
    let ages = Ages {
        data: newest.map(since),
        snapshot: if kept { Some(0) } else { good.map(|run| run.started_at).max(filled).map(since) },
        run: last.any.as_ref().map(|run| since(run.finished_at.unwrap_or(run.started_at))),
        at_least: taken.filter(|_| stored).map(since),
    };
    let freshness = match (live, mart.kind.has_data()) {
        (None, _) => None,
        // How new the rows of a view are says its query alone, which is not run to look at it.
        (Some(_), false) => ages::column(mart).is_none().then_some(Freshness::Fresh),
        (Some(_), true) if asks && !kept => Some(Freshness::Stale),
        (Some(_), true) => Freshness::of(mart, &ages, now),
    };
    let (status, mut conditions) = judge(subject, last, freshness, looked.actual.called.get(&mart.name));
    conditions.extend(stalled(&mart.name, looked));
    conditions.extend((asks && !kept).then(|| Condition {
        kind: "Stalled",
        status: "True",
        reason: "NotKept",
        message: "what keeps it as writers commit is gone; apply puts it back".to_owned(),
    }));
    let (row_count, estimated) = rows(subject, last);
    let bytes = size.filter(|_| mart.kind.has_data()).map(|stats| stats.total_bytes);
    let columns: Vec<ColumnStatus> = live
        .iter()
        .flat_map(|relation| &relation.columns)
        .map(|column| ColumnStatus { name: column.name.clone(), type_name: column.type_name.clone() })
        .collect();
    MartStatus {
        id: mart.name.clone(),
        name: mart.name.name.clone(),
        schema: mart.name.schema.clone(),
        full_name: mart.name.to_string(),
        kind: mart.kind,
        refresh_strategy: mart.refresh.strategy.as_str(),
        status,
        orphan: *orphan,
        tags: mart.tags.clone(),
        metadata: mart.metadata.clone(),
        description: mart.description.clone(),
        row_count,
        estimated,
        size_bytes: bytes,
        size: bytes.map(human_size),
        column_count: columns.len(),
        columns,
        indexes: live.map(indexes).unwrap_or_default(),
        created_at: created,
        last_refreshed: good.and_then(|run| run.finished_at).max(filled),
        next_run: recorded.and_then(|row| {
            let last = last.any.as_ref().map_or(row.created_at, |run| run.started_at);
            due.of(mart, last, now)
        }),
        suspended: mart.refresh.suspend && mart.kind.has_data(),
        suspended_by: in_force.suspended_by,
        rescheduled: in_force.rescheduled,
        target_lag_seconds: mart.refresh.target_lag,
        age_seconds: ages::age(mart, &ages),
        ages: Some(ages),
        freshness,
        version: published.map(|version| i64::from(version.number)),
        following: following.map(|following| decided(following, last)),
        partitioned: partitions::summary(subject, now),
        partitions: Vec::new(),
        conditions,
        last_run: last.any.clone(),
    }
}

/// With what was decided last.
fn decided(following: Following, last: &Last) -> Following {
    let run = last.any.iter().chain(&last.good).find_map(|run| Some((run, run.decision.as_ref()?)));
    match run {
        Some((run, decision)) => following.decided(decision, run.reason.as_deref()),
        None => following,
    }
}

/// A mart with what holds instead of its manifest.
struct InForce<'a> {
    mart: Cow<'a, Mart>,
    suspended_by: Option<String>,
    rescheduled: Option<Rescheduled>,
}

fn in_force<'a>(mart: &'a Mart, looked: &Looked<'_>) -> InForce<'a> {
    let overrides = &looked.actual.overrides;
    let suspended_by = overrides.suspension(&mart.name).filter(|_| mart.kind.has_data()).map(|found| found.who.clone());
    let declared = || looked.desired?.marts.iter().find(|declared| declared.mart.name == mart.name);
    let file = overrides.schedule(&mart.name, None).and_then(|_| declared()).map(file_fingerprint);
    let rescheduled = overrides.schedule(&mart.name, file.as_ref()).map(|(schedule, found)| Rescheduled {
        schedule: schedule.to_vec(),
        who: found.who.clone(),
        at: found.at,
    });
    let mart = match suspended_by.is_some() || rescheduled.is_some() {
        false => Cow::Borrowed(mart),
        true => Cow::Owned(Mart { refresh: overrides.policy(mart, file.as_ref()), ..mart.clone() }),
    };
    InForce { mart, suspended_by, rescheduled }
}

/// Whether writers keep it as they commit.
fn keeps(mart: &QName, looked: &Looked<'_>) -> bool {
    let (keepers, logs) = (&looked.actual.keepers, &looked.actual.captures.logs);
    // Without logs nobody looked; that they are gone is told as drift.
    let Some(registry) = looked.registry.filter(|_| !logs.is_empty()) else { return true };
    keepers.works && keepers.functions.contains_key(&Keeper::new(registry, looked.project).mart(mart).name)
}

/// What was put back so often that it is left as it is.
fn stalled(mart: &QName, looked: &Looked<'_>) -> Option<Condition> {
    let objects = looked.actual.stalled.get(&mart.to_string())?;
    let message = format!("{} was put back again and again, and is left as it is for now", objects.join(", "));
    Some(Condition { kind: "Stalled", status: "True", reason: "HealedTooOften", message })
}

fn indexes(relation: &Relation) -> Vec<IndexStatus> {
    let one = |(name, index): (&String, &catalog::Index)| IndexStatus {
        name: name.clone(),
        definition: index.definition.clone(),
        unique: index.unique,
        size_bytes: None,
        size: None,
        scans: None,
    };
    relation.indexes.iter().map(|(name, index)| one((name, index))).collect()
}

/// Rows: counted by the last run where nothing was built since, else the planner's estimate.
fn rows(subject: &Subject<'_>, last: &Last) -> (Option<i64>, bool) {
    let Some(live) = subject.live.filter(|_| subject.mart.kind.has_data()) else {
        return (None, false);
    };
    let changed =
        subject.recorded.map(|row| row.changed_at.max(row.published().map_or(row.changed_at, |v| v.created_at)));
    let counted = last.good.as_ref().filter(|run| run.finished_at > changed).and_then(|run| run.row_count);
    match counted {
        Some(rows) => (Some(rows), false),
        None if live.tuples < 0.0 => (None, false),
        // A count of rows is far below 2^53.
        None => (Some(live.tuples as i64), true),
    }
}

fn judge(
    subject: &Subject<'_>,
    last: &Last,
    freshness: Option<Freshness>,
    called: Option<&QName>,
) -> (MartState, Vec<Condition>) {
    let condition =
        |kind, status, reason, message: &str| Condition { kind, status, reason, message: message.to_owned() };
    let run = last.any.as_ref();
    let running = run.is_some_and(|run| run.status == "running");
    let failed = run.filter(|run| run.status == "failed");
    let creating = subject.recorded.is_none_or(|row| row.status == "creating");
    let absent = subject.live.is_none();
    let empty = subject.live.is_some_and(|relation| !relation.populated);
    let broken = subject.recorded.is_some_and(|row| row.status == "error");
    let mut conditions = vec![if creating {
        condition("Ready", "False", "NotApplied", "declared, not applied yet")
    } else if let (true, Some(now)) = (absent, called) {
        condition("Ready", "False", "Missing", &format!("its relation was renamed to {now}"))
    } else if absent {
        condition("Ready", "False", "Missing", "its relation is not in the database")
    } else if broken {
        condition("Ready", "False", "ApplyFailed", "its last apply failed")
    } else if empty {
        condition("Ready", "False", "NotPopulated", "it holds no rows yet; refresh it")
    } else {
        condition("Ready", "True", "Applied", "it can be read")
    }];
    if running {
        conditions.push(condition("Reconciling", "True", "Refreshing", "a refresh is at work"));
    }
    // What an apply built since then was not left as it was; what somebody did not get says nothing of the mart.
    let told =
        |run: &&PastRun| subject.recorded.is_none_or(|row| row.changed_at <= run.started_at) && run.error.is_none();
    let skipped = last.skipped.as_ref().filter(told);
    if let Some(reason) = skipped.filter(|_| !running).and_then(|run| run.reason.as_deref()) {
        conditions.push(condition(
            "Reconciling",
            "False",
            "Skipped",
            &format!("its last refresh was skipped: {reason}"),
        ));
    }
    if let Some(run) = failed {
        let message = run.error_message().unwrap_or("its last refresh failed");
        conditions.push(condition("Stalled", "True", "RefreshFailed", message));
    }
    let state = if creating {
        MartState::Creating
    } else if running {
        MartState::Refreshing
    } else if absent || empty || broken || failed.is_some() {
        MartState::Error
    } else if freshness == Some(Freshness::Stale) {
        MartState::Stale
    } else {
        MartState::Active
    };
    (state, conditions)
}

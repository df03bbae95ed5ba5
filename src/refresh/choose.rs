//! Which method a refresh takes, and why. Pure.

use chrono::{DateTime, Utc};

use super::part::{Part, type_of};
use super::{Asked, How, Item, Method};
use crate::build::obstacles;
use crate::catalog::{Extra, ExtraKind, Recorded, Relation, RelationKind};
use crate::state::{
    Incremental, IncrementalMethod, Kind, LOG_EVENTS, Publish, RefreshPolicy, Strategy, format_duration,
};

/// Under `smart`, where nothing else is said: a day, in seconds.
const FULL_AFTER: u64 = 86_400;

/// The method of a refresh, and the reason people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// It is clear before anything is read.
    Method(Method, String),
    /// Merge or swap, by how many rows differ once the new ones are there.
    ByDifferences,
    /// Some of the rows.
    Part(Part, String),
    /// Those whose key a change of a source may affect, if that pays.
    Changes,
    /// Nothing to refresh.
    Nothing(String),
    /// Not now; perhaps from then on.
    Later(String, Option<DateTime<Utc>>),
    /// It was asked for what cannot be.
    Impossible(String),
}

/// What is known of a mart before one chooses; see [`facts`](super::facts).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// The greatest value of the time column; for a window the latest that is not ahead of now.
    pub newest: Option<String>,
    /// The age of the newest data, in seconds.
    pub age: Option<f64>,
    /// Where a window begins.
    pub start: Option<String>,
    /// Why readers must not be made to wait now, and when that ends.
    pub closed: Option<(String, Option<DateTime<Utc>>)>,
}

/// What was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// How.
    pub choice: Choice,
    /// Why all rows are computed, where some of them might have been.
    pub why: Option<String>,
}

impl Chosen {
    /// A reason, behind why all rows are computed.
    pub fn reason(&self, reason: &str) -> String {
        self.why.iter().map(String::as_str).chain([reason]).collect::<Vec<_>>().join("; ")
    }
}

/// What of the rows is asked for, once the manifest had its say.
pub(super) fn how(policy: &RefreshPolicy, asked: &Asked) -> How {
    match (asked.how, policy.strategy) {
        (How::AsDeclared, Strategy::Full) => How::Full,
        (How::AsDeclared, Strategy::Smart) => How::Smart,
        (How::AsDeclared, _) if policy.incremental.is_some() => How::Incremental,
        (how, _) => how,
    }
}

/// Chooses for one mart.
pub fn choose(recorded: &Recorded, live: &Relation, asked: &Asked, facts: &Facts) -> Chosen {
    if follows(recorded, asked, facts) {
        return Chosen { choice: Choice::Changes, why: None };
    }
    match part(recorded, live, asked, facts) {
        Ok((part, reason)) => Chosen { choice: Choice::Part(part, reason), why: None },
        Err(why) => Chosen { choice: whole(recorded, live, asked.concurrent, facts), why },
    }
}

/// Whether the rows may be those whose key a change of a source affects.
///
/// One without rows may be just what its query gives: where it stands is known all the same.
pub(super) fn follows(recorded: &Recorded, asked: &Asked, facts: &Facts) -> bool {
    let policy = &recorded.mart.refresh;
    // Who asks for days of the past asks for no changes.
    let by_days = |i: &Incremental| i.method == IncrementalMethod::Partition && asked.days.is_some();
    let by_changes = policy.incremental.as_ref().is_some_and(|i| i.follows_changes() && !by_days(i));
    let (table, known) = (recorded.mart.kind.is_table(), recorded.applied.changes.is_some());
    let some = match how(policy, asked) {
        // What writers keep is never exchanged under them: all of it is computed as what changed is.
        How::Full => policy.strategy == Strategy::OnCommit,
        How::AsDeclared => false,
        How::Incremental => true,
        How::Smart => young(policy, facts).is_ok(),
    };
    by_changes && table && known && some
}

/// Chooses where all rows are computed.
pub(super) fn whole(recorded: &Recorded, live: &Relation, concurrent: Option<bool>, facts: &Facts) -> Choice {
    match recorded.mart.kind {
        Kind::View => Choice::Nothing("a view has no rows of its own".to_owned()),
        Kind::MaterializedView => match (materialized_view(recorded, live, concurrent), &facts.closed) {
            // Of one that holds no rows there are no readers.
            (Choice::Method(Method::Plain, _), Some((reason, opens))) if live.populated => {
                Choice::Later(reason.clone(), *opens)
            }
            (choice, _) => choice,
        },
        Kind::Table => table(recorded, live),
        Kind::PartitionedTable => {
            Choice::Method(Method::Exchange, "its partitions are exchanged where they differ".to_owned())
        }
    }
}

/// The rows that have to be computed, and the reason; else why it is all of them, where that has to be said.
fn part(recorded: &Recorded, live: &Relation, asked: &Asked, facts: &Facts) -> Result<(Part, String), Option<String>> {
    let policy = &recorded.mart.refresh;
    let how = how(policy, asked);
    let Some(incremental) = policy.incremental.as_ref().filter(|_| recorded.mart.kind.is_table()) else {
        let asked = matches!(asked.how, How::Incremental | How::Smart) && recorded.mart.kind.has_data();
        return Err(asked.then(|| "whole, for want of [refresh.incremental]".to_owned()));
    };
    match how {
        How::Full | How::AsDeclared => {
            return Err((asked.how == How::Full).then(|| "all rows were asked for".to_owned()));
        }
        _ if live.empty => return Err(None),
        How::Incremental => {}
        How::Smart => young(policy, facts)?,
    }
    let (part, reason) = of_method(incremental, recorded, live, facts).map_err(Some)?;
    let age = facts.age.filter(|_| how == How::Smart).map(|age| format!("the newest data is {} old; ", seconds(age)));
    Ok((part, age.unwrap_or_default() + &reason))
}

/// Whether a smart mart's data is so new that what changed is enough.
fn young(policy: &RefreshPolicy, facts: &Facts) -> Result<(), Option<String>> {
    let full_after = policy.full_after.unwrap_or(FULL_AFTER);
    match facts.age {
        Some(age) if age <= full_after as f64 => Ok(()),
        Some(age) => {
            let (age, most) = (seconds(age), format_duration(full_after));
            Err(Some(format!("the newest data is {age} old, full_after is {most}")))
        }
        None => Err(Some("no row says how new the data is".to_owned())),
    }
}

fn seconds(age: f64) -> String {
    format_duration(age.max(0.0) as u64)
}

fn of_method(
    incremental: &Incremental,
    recorded: &Recorded,
    live: &Relation,
    facts: &Facts,
) -> Result<(Part, String), String> {
    // A version that is pinned may have other columns than the manifest speaks of.
    let there = |column: &String| match type_of(live, column) {
        Some(_) => Ok(column.clone()),
        None => Err(format!("{} has no column {column}", live.name)),
    };
    let nameless = || "no row says how new it is".to_owned();
    let column = incremental.time_column.as_ref().map(there).transpose()?;
    let timed = |value: &Option<String>| Some((column.clone()?, value.clone()?));
    Ok(match incremental.method {
        IncrementalMethod::Window => {
            let from = timed(&facts.start).filter(|_| facts.newest.is_some()).ok_or_else(nameless)?;
            let reason = format!("{} from {} on", from.0, from.1);
            (Part { method: Method::Window, from: Some(from), key: Vec::new() }, reason)
        }
        IncrementalMethod::Append => {
            let from = timed(&facts.newest).ok_or_else(nameless)?;
            let reason = format!("{} beyond {}", from.0, from.1);
            (Part { method: Method::Append, from: Some(from), key: Vec::new() }, reason)
        }
        // Nobody says from when on, and nothing what changed.
        IncrementalMethod::Partition if facts.start.is_none() && incremental.lookback.is_none() => {
            return Err("nothing says yet how it follows changes".to_owned());
        }
        IncrementalMethod::Partition => {
            let divided = recorded.mart.partition.as_ref().map(|partition| there(&partition.column)).transpose()?;
            let start = divided.zip(facts.start.clone()).filter(|_| facts.newest.is_some()).ok_or_else(nameless)?;
            let reason = format!("the partitions of {} from {} on", start.0, start.1);
            (Part { method: Method::Partition, from: Some(start), key: Vec::new() }, reason)
        }
        IncrementalMethod::Changes => return Err("nothing says yet how it follows changes".to_owned()),
        IncrementalMethod::Upsert => {
            let declared = [&incremental.unique_key, &recorded.mart.primary_key];
            let key = declared.into_iter().find(|key| !key.is_empty()).ok_or("nothing tells its rows apart")?;
            let key = key.iter().map(there).collect::<Result<Vec<_>, _>>()?;
            let reason = format!("by {}", key.join(", "));
            (Part { method: Method::Upsert, from: None, key }, reason)
        }
    })
}

/// What to do where readers must not wait, and would have to.
pub const WITHOUT: &str =
    "refresh it without --concurrent true; with a unique index in its manifest readers need not wait";

/// Why a mart cannot be refreshed as it is `asked`, as far as a look at it tells before anything is begun.
pub fn impossible(item: &Item) -> Option<String> {
    let live = item.live.as_ref().filter(|_| item.series.is_none())?;
    let kinds = (item.recorded.mart.kind, live.kind);
    match (kinds, item.asked.concurrent) {
        ((Kind::MaterializedView, RelationKind::MaterializedView), Some(true)) => hindrance(live),
        _ => None,
    }
}

/// What keeps a materialized view from being refreshed beside its readers.
fn hindrance(live: &Relation) -> Option<String> {
    if live.concurrent_index().is_none() {
        let name = &live.name;
        return Some(format!("CONCURRENTLY needs a unique index on plain columns of {name}, without a predicate"));
    }
    (!live.populated).then(|| format!("{} holds no rows yet, so it cannot be refreshed CONCURRENTLY", live.name))
}

fn materialized_view(recorded: &Recorded, live: &Relation, concurrent: Option<bool>) -> Choice {
    let plain = |reason: &str| Choice::Method(Method::Plain, reason.to_owned());
    let index = live.concurrent_index();
    if let Some(message) = hindrance(live).filter(|_| concurrent == Some(true)) {
        return Choice::Impossible(message);
    }
    match (concurrent.or(recorded.mart.refresh.concurrent), index) {
        _ if !live.populated => plain("it holds no rows yet"),
        (Some(false), _) if concurrent.is_some() => plain("asked for with --concurrent false"),
        (Some(false), _) => plain("concurrent = false"),
        (_, None) => plain("no unique index on plain columns"),
        (_, Some(_)) => Choice::Method(Method::Concurrently, "unique index, readers go on".to_owned()),
    }
}

/// Whether it is a trigger that logs changes.
fn is_log(extra: &Extra) -> bool {
    let ends = LOG_EVENTS.map(|event| format!("_{}", event.to_lowercase()));
    extra.kind == ExtraKind::Trigger
        && extra.name.contains("_changes_")
        && ends.iter().any(|end| extra.name.ends_with(end.as_str()))
}

fn table(recorded: &Recorded, live: &Relation) -> Choice {
    let method = |method, reason: String| Choice::Method(method, reason);
    let obstacle = obstacles(live).into_iter().next();
    let publication = live.extras.iter().find(|e| e.kind == ExtraKind::Publication).map(|e| e.label.clone());
    match (recorded.mart.publish, obstacle) {
        (Publish::Merge, _) => method(Method::Merge, "publish = \"merge\"".to_owned()),
        (_, Some(obstacle)) => method(Method::Merge, format!("not exchanged: {}", obstacle.0)),
        (Publish::Swap, None) => method(Method::Swap, "publish = \"swap\"".to_owned()),
        // Its subscribers get what is written to it, and would not see it exchanged.
        (Publish::Auto, None) if publication.is_some() => {
            method(Method::Merge, format!("its rows are replicated: {}", publication.unwrap_or_default()))
        }
        // What follows its changes would have to be computed anew.
        (Publish::Auto, None) if live.extras.iter().any(is_log) && !live.empty => {
            method(Method::Merge, "others follow its changes".to_owned())
        }
        (Publish::Auto, None) if live.empty => method(Method::Swap, "it holds no rows yet".to_owned()),
        (Publish::Auto, None) => Choice::ByDifferences,
    }
}

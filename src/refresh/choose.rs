//! Which method a refresh takes, and why. Pure.

use super::Method;
use crate::build::obstacles;
use crate::catalog::{ExtraKind, Recorded, Relation};
use crate::state::{Kind, Publish};

/// The method of a refresh, and the reason people are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// It is clear before anything is read.
    Method(Method, String),
    /// Merge or swap, by how many rows differ once the new ones are there.
    ByDifferences,
    /// Nothing to refresh.
    Nothing(String),
    /// It was asked for what cannot be.
    Impossible(String),
}

/// Chooses for one mart. `concurrent` is what the caller asked for.
pub fn choose(recorded: &Recorded, live: &Relation, concurrent: Option<bool>) -> Choice {
    match recorded.mart.kind {
        Kind::View => Choice::Nothing("a view has no rows of its own".to_owned()),
        Kind::MaterializedView => materialized_view(recorded, live, concurrent),
        Kind::Table => table(recorded, live),
    }
}

fn materialized_view(recorded: &Recorded, live: &Relation, concurrent: Option<bool>) -> Choice {
    let plain = |reason: &str| Choice::Method(Method::Plain, reason.to_owned());
    let index = live.concurrent_index();
    if concurrent == Some(true) && index.is_none() {
        return Choice::Impossible(format!(
            "CONCURRENTLY needs a unique index on plain columns of {}, without a predicate",
            live.name
        ));
    }
    if concurrent == Some(true) && !live.populated {
        return Choice::Impossible(format!("{} holds no rows yet, so it cannot be refreshed CONCURRENTLY", live.name));
    }
    match (concurrent.or(recorded.mart.refresh.concurrent), index) {
        _ if !live.populated => plain("it holds no rows yet"),
        (Some(false), _) if concurrent.is_some() => plain("asked for with --concurrent false"),
        (Some(false), _) => plain("concurrent = false"),
        (_, None) => plain("no unique index on plain columns"),
        (_, Some(_)) => Choice::Method(Method::Concurrently, "unique index, readers go on".to_owned()),
    }
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
        (Publish::Auto, None) if live.empty => method(Method::Swap, "it holds no rows yet".to_owned()),
        (Publish::Auto, None) => Choice::ByDifferences,
    }
}

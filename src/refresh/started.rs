//! How a run is begun: what is chosen for it, and what there is once it has its row in the history.

use chrono::{DateTime, Utc};

use super::worker::Worker;
use super::{Asked, Choice, Chosen, Event, Item, Method, Options, Run, choose, facts, paused};
use crate::catalog::Relation;
use crate::database::SqlError;

/// A run that has its row in the history.
pub(super) struct Started {
    pub item: Item,
    pub live: Relation,
    pub chosen: Chosen,
    pub run: Run,
    /// The registry counts it.
    pub counted: bool,
}

impl Started {
    /// What is told of it.
    pub fn event(&self) -> Event {
        let (mart, reason) = (self.item.mart.clone(), self.run.reason.clone());
        Event::Started { mart, method: self.run.method.unwrap_or(Method::Plain), reason }
    }
}

/// How the mart is refreshed now. What computes all rows may have to wait for quieter times.
pub(super) async fn chosen(
    worker: &mut Worker,
    item: &Item,
    live: &Relation,
    options: &Options,
    now: DateTime<Utc>,
) -> Result<Chosen, SqlError> {
    let asked = Asked { concurrent: item.asked.concurrent.or(options.concurrent), ..item.asked.clone() };
    let facts = facts(&mut worker.conn, item, live, options, &worker.user, now).await?;
    let mut chosen = match &item.series {
        Some(series) => Chosen { choice: Choice::Method(Method::Swap, series.reason()), why: None },
        None => choose(&item.recorded, live, &asked, &facts),
    };
    if matches!(chosen.choice, Choice::Method(..) | Choice::ByDifferences)
        && let Some(reason) = paused(&mut worker.conn, &options.pause_when).await?
    {
        chosen.choice = Choice::Later(reason, None);
    }
    Ok(chosen)
}

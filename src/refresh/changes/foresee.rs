//! What a refresh by changes would decide now, without doing it.

use serde::Serialize;
use sqlx::PgConnection;

use super::gate::of_costs;
use super::task::{Task, since};
use super::words::{of_changes, of_keys};
use super::{gate, keys};
use crate::build::SessionState;
use crate::catalog::Relation;
use crate::database::SqlError;
use crate::refresh::decision::Decision;
use crate::refresh::{Item, Options, one};

/// Groups of a small mart that cost so much in all are large ones.
const MANY: f64 = 50_000.0;
const FINER: &str =
    "; its groups are few and large: where it sums up a finer mart that follows changes, it reads that instead";

/// What would be decided.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Foreseen {
    /// In words: why nothing, some or all of the rows would be computed.
    pub reason: String,
    /// For programs, as the history has it.
    pub decision: serde_json::Value,
}

/// Looks what changed, and whether computing the rows of the keys that it may affect pays. Nothing is written; it begins and ends a
/// transaction. `user` is the role of the connection. `None` where the mart follows no changes.
///
/// # Errors
/// What the server says.
pub async fn foresee(
    conn: &mut PgConnection,
    item: &Item,
    live: &Relation,
    options: &Options,
    user: &str,
) -> Result<Option<Foreseen>, SqlError> {
    let frame = one::frame(&item.recorded.mart, live, options, user);
    let checks = &mut Vec::new();
    let Some(mut task) = Task::of(conn, item, live, options, &frame, checks) else { return Ok(None) };
    let outcome = task.foreseen().await;
    sqlx::raw_sql("ROLLBACK").execute(conn).await?;
    let (reason, decision) = outcome?;
    Ok(Some(Foreseen { reason, decision: serde_json::to_value(decision).unwrap_or_default() }))
}

impl Task<'_> {
    async fn foreseen(&mut self) -> Result<(String, Decision), SqlError> {
        let whole = |reason: String, decision: Decision| Ok((reason, Decision { rung: "whole", ..decision }));
        let mut look = match self.looked().await? {
            Ok(look) => look,
            Err(reason) => return whole(reason, Decision::default()),
        };
        let pending = look.pending.iter().map(|pending| pending.rows).sum();
        let decision = Decision { rung: "none", pending: Some(pending), ..Decision::default() };
        let of = self.changes();
        let since = match since(of, &look) {
            Ok(before) => before.at.to_rfc3339(),
            Err(reason) => return whole(reason, decision),
        };
        let mut session = SessionState::in_transaction();
        let found = match self.found(&mut look, &mut session, &since, &decision).await? {
            Ok(found) => found,
            Err((reason, decision)) => return whole(reason, decision),
        };
        let keys = &found.keys;
        let decision = Decision { keys: Some(keys.count), ..decision };
        if keys.count == 0 {
            let reason = if pending == 0 { "nothing changed" } else { "no key is affected" };
            return Ok((reason.to_owned(), decision));
        }
        if keys.count > keys::MOST {
            return whole("too many keys changed".to_owned(), decision);
        }
        let costs = self.costs(&found, &look.standing).await?;
        let decision = of_costs(decision, costs);
        let told = format!("{} after {}", of_keys(keys.count), of_changes(pending));
        match costs.ratio() >= gate::PAYS {
            true => {
                let large = one::is_small(self.live) && costs.whole >= MANY;
                whole(format!("{told}: that {costs} rows{}", if large { FINER } else { "" }), decision)
            }
            false => Ok((format!("{told}: that {costs} rows"), Decision { rung: "keys", ..decision })),
        }
    }
}

//! One refresh by changes, in its transaction.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::done::{Done, alone, whole};
use super::gate::of_costs;
use super::keeping::{Kept, counted};
use super::keys::{self, Found, Keys};
use super::nothing::nothing;
use super::parts::{self, Parts, demoted};
use super::words::{of_changes, of_keys};
use super::{gate, proof};
use crate::build::position::{self, Look, Position, Standing, Watched, moved};
use crate::build::{self, CheckResult, Frame, Narrow, SessionState};
use crate::catalog::Relation;
use crate::database::{Endpoint, SqlError};
use crate::refresh::decision::Decision;
use crate::refresh::outcome::{Outcome, figures};
use crate::refresh::part::{VACUUM_ABOVE, type_of};
use crate::refresh::{Item, Method};
use crate::sql::changes;
use crate::sql::{oldest_kept, retained, unfrozen};
use crate::state::{Changes, Mart, Partition, quote_ident, thousands};

/// One refresh.
pub(super) struct Task<'a> {
    pub conn: &'a mut PgConnection,
    pub item: &'a Item,
    pub live: &'a Relation,
    pub watched: Watched<'a>,
    pub frame: &'a Frame,
    pub checks: &'a mut Vec<CheckResult>,
    /// How to get another session, where there may be several.
    pub beside: Option<&'a Endpoint>,
    /// What differs is taken out before anything comes.
    pub apart: bool,
    /// Writers keep its rows as they commit.
    pub kept: Option<Kept>,
    /// The transaction is somebody else's: it has begun, and what is read is locked.
    pub within: bool,
}

impl<'a> Task<'a> {
    /// Begins the transaction, where nobody has, and does everything but end it.
    pub async fn attempt(&mut self) -> Result<Done, SqlError> {
        let mut look = match self.looked().await? {
            Ok(look) => look,
            Err(reason) => return Ok(whole(reason, Decision::default())),
        };
        if let Some(reason) = self.kept.as_ref().and_then(|kept| kept.all.clone()) {
            return self.all(&look, reason).await;
        }
        // Apart from the stack: it holds what all that follows needs.
        let mut done = Box::pin(self.decided(&mut look)).await?;
        if let Done::Whole(whole) = &mut done {
            look.pending.clear();
            whole.look = Some(look);
        }
        Ok(done)
    }

    /// Does what what was logged asks for.
    async fn decided(&mut self, look: &mut Look) -> Result<Done, SqlError> {
        let pending = look.pending.iter().map(|pending| pending.rows).sum();
        let decision = Decision { rung: "none", pending: Some(pending), ..Decision::default() };
        let at = match since(self.changes(), look) {
            Ok(before) => before.at.to_rfc3339(),
            Err(reason) => return Ok(whole(reason, decision)),
        };
        let retained = self.mart().retention.is_some();
        if pending == 0 && self.changes().moving.is_empty() && !retained {
            return self.nothing("nothing changed", decision, look).await;
        }
        let mut session = SessionState::in_transaction();
        let found = match Box::pin(self.found(look, &mut session, &at, &decision)).await? {
            Ok(found) => found,
            Err((reason, decision)) => return Ok(whole(reason, decision)),
        };
        let keys = &found.keys;
        let decision = Decision { keys: Some(keys.count), ..decision };
        if keys.count > keys::MOST {
            return Ok(whole(format!("more than {} keys changed", thousands(keys::MOST as i64)), decision));
        }
        // A derivation that finds no key may be wrong just as one that finds the wrong ones.
        let due = pending > 0 && proof::is_due(&look.standing);
        if keys.count == 0 && !retained && !due {
            session.leave(self.conn).await?;
            self.note(look, look.standing.clone()).await?;
            let reason = if pending == 0 { "nothing changed" } else { "no key is affected" };
            return self.nothing(reason, decision, look).await;
        }
        Box::pin(self.rows(session, look, &found, decision)).await
    }

    pub(super) fn changes(&self) -> &'a Changes {
        self.watched.changes
    }

    fn mart(&self) -> &'a Mart {
        &self.item.recorded.mart
    }

    pub(super) fn unfrozen(&self, alias: &str) -> Option<String> {
        unfrozen(self.mart(), alias, |name| type_of(self.live, name))
    }

    /// `query` without rows that are not kept, or that do not change any more.
    pub(super) fn kept(&self, query: &str) -> String {
        let query = retained(self.mart(), query, |name| type_of(self.live, name));
        match self.unfrozen("q") {
            Some(condition) => format!("SELECT q.* FROM (\n{}\n) AS q WHERE {condition}", query.trim()),
            None => query,
        }
    }

    /// Computes and writes the rows of the keys, if that pays.
    async fn rows(
        &mut self,
        mut session: SessionState,
        look: &Look,
        found: &Found,
        mut decision: Decision,
    ) -> Result<Done, SqlError> {
        let keys = &found.keys;
        let mut standing = look.standing.clone();
        let mut merged = [0; 3];
        if keys.count > 0 {
            let changes = self.changes();
            let parts = Parts::of(self.conn, (self.mart(), self.live), changes, keys).await?;
            decision.partitions = parts.as_ref().map(Parts::count);
            let asked = parts::are_asked_for(self.mart());
            let all = self.kept(&changes::whole(changes));
            match parts {
                None if asked => return Ok(whole("its key does not tell its partitions", decision)),
                Some(parts) if asked && parts.are_all() => {
                    return Ok(whole("all of its partitions are touched", decision));
                }
                Some(parts)
                    if asked
                        || !parts.are_all()
                            && (parts.are_missing() || parts.are_rewritten(self.conn, keys.count).await?) =>
                {
                    return self.fill(session, look, parts, &all, (standing, decision)).await;
                }
                _ => {}
            }
            let costs = self.costs(found, &standing).await?;
            decision = of_costs(decision, costs);
            if costs.ratio() >= gate::PAYS {
                if let Some(parts) = parts.filter(|parts| !parts.are_all()) {
                    let some = self.kept(&parts.rows());
                    let (known, history) = ((Some(costs.whole), found.cost), self.history());
                    let some = gate::Part {
                        sql: &some,
                        rows: None,
                        keys: &Keys::default(),
                        first: None,
                        history,
                        own_costs: self.own_costs(),
                    };
                    let costs = gate::costs(self.conn, some, &all, known).await?;
                    if costs.ratio() < gate::PAYS {
                        standing.cost = Some(costs.whole);
                        return self.fill(session, look, parts, &all, (standing, of_costs(decision, costs))).await;
                    }
                }
                return Ok(whole(format!("computing {} {costs}", of_keys(keys.count)), decision));
            }
            standing.cost = Some(costs.whole);
            let narrow = self.narrow(keys);
            if self.beside_writers() && self.differs(&narrow, keys).await? {
                return Ok(alone(decision));
            }
            if !self.beside_writers() {
                merged = self.computed_and_written(&narrow, keys, costs.some).await?;
                self.tell_writers(merged).await?;
            }
        }
        merged[2] += self.expire(&mut session).await?;
        decision.rung = "keys";
        build::check_all(self.conn, &mut session, self.frame, self.mart(), &self.live.name, self.checks).await?;
        if let Some(failure) = build::failure(self.checks) {
            return Err(failure);
        }
        session.enter(self.conn, self.frame).await?;
        if proof::is_due(&standing) {
            let (mart, live) = (self.mart(), self.live);
            let kept = |alias: &str| unfrozen(mart, alias, |name| type_of(live, name));
            let all = self.kept(&changes::whole(self.changes()));
            let same = proof::same(self.conn, live, &all, kept).await?;
            decision.verified = Some(same);
            if !same {
                return Ok(demoted("its rows were not those of its query after a refresh by changes", decision));
            }
            standing.verified += 1;
        }
        standing.refreshes += 1;
        standing.rows = match standing.rows.filter(|_| !self.loses_partitions()) {
            Some(rows) => Some(rows + merged[0] - merged[2]),
            None => Some(self.count().await?),
        };
        let affected = format!("{} after {}", of_keys(keys.count), of_changes(decision.pending.unwrap_or_default()));
        let mut outcome = Outcome {
            method: Some(Method::Changes),
            reason: Some(affected),
            inserted: Some(merged[0]),
            updated: Some(merged[1]),
            deleted: Some(merged[2]),
            row_count: counted(self.item, &standing),
            snapshot: Some(look.now.snapshot.clone()),
            own: look.own,
            decision: Some(decision),
            open: true,
            ..Outcome::default()
        };
        // Writers keep marts that follow these rows: that is done here, where it can be tried again, and not at the commit. All
        // constraints: a trigger that the mart's owner deferred runs as the owner, not as who commits.
        let kept = if merged == [0; 3] { "" } else { "SET CONSTRAINTS ALL IMMEDIATE;" };
        let sql = format!(
            "{kept}{};{}SET LOCAL plan_cache_mode = force_generic_plan",
            figures(self.item, &self.live.name, &outcome),
            session.leaving()
        );
        outcome.read(&sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *self.conn).await?)?;
        self.note(look, standing).await?;
        Ok(Done::Written(Box::new(outcome)))
    }

    pub(super) async fn nothing(&mut self, reason: &str, decision: Decision, look: &Look) -> Result<Done, SqlError> {
        let (at, method) = ((&self.watched, look), Some(parts::method(self.mart())));
        Ok(Done::Written(nothing(self.conn, self.item, at, method, (reason, decision)).await?))
    }

    /// Computes partitions.
    async fn fill(
        &mut self,
        session: SessionState,
        look: &Look,
        parts: Parts<'_>,
        all: &str,
        held: (Standing, Decision),
    ) -> Result<Done, SqlError> {
        let (mart, live) = (self.mart(), self.live);
        let unfrozen = |alias: &str| unfrozen(mart, alias, |name| type_of(live, name));
        let with = (self.frame, &mut *self.checks, self.beside);
        parts.fill(self.conn, session, with, look, (all, unfrozen), held).await
    }

    /// How many rows were inserted, updated and deleted.
    pub(super) async fn write(&mut self, narrow: &Narrow, keys: &Keys) -> Result<[i64; 3], SqlError> {
        if self.apart
            && let Some([delete, insert]) = build::write_apart(self.live, narrow)
        {
            let mut counts = [0; 3];
            for (at, sql) in [(2, delete), (0, insert)] {
                let query = keys.bind(sqlx::query(AssertSqlSafe(sql)).persistent(false));
                let done = query.execute(&mut *self.conn).await?;
                counts[at] = i64::try_from(done.rows_affected()).unwrap_or(i64::MAX);
            }
            return Ok(counts);
        }
        let sql = build::write_within(self.live, narrow);
        let row = keys.bind(sqlx::query(AssertSqlSafe(sql)).persistent(false)).fetch_one(&mut *self.conn).await?;
        Ok([row.try_get("inserted")?, row.try_get("updated")?, row.try_get("deleted")?])
    }

    /// Rows that are too old to be kept go.
    async fn expire(&mut self, session: &mut SessionState) -> Result<i64, SqlError> {
        let Some(kept) = &self.mart().retention else { return Ok(0) };
        let Some(oldest) = type_of(self.live, &kept.column).and_then(|name| oldest_kept(kept, &name)) else {
            return Ok(0);
        };
        let sql = format!("DELETE FROM {} WHERE {} < {oldest}", self.live.name, quote_ident(&kept.column));
        let gone = build::run(self.conn, session, self.frame, &sql).await?;
        Ok(i64::try_from(gone).unwrap_or(i64::MAX))
    }

    /// Whether rows leave beside its refreshes.
    fn loses_partitions(&self) -> bool {
        self.mart().partition.as_ref().and_then(Partition::ranges).is_some_and(|ranges| ranges.retain.is_some())
    }

    pub(super) async fn count(&mut self) -> Result<i64, SqlError> {
        let sql = format!("SELECT pg_catalog.count(*) FROM {}", self.live.name);
        Ok(sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut *self.conn).await?.try_get(0)?)
    }

    pub(super) async fn note(&mut self, look: &Look, standing: Standing) -> Result<(), SqlError> {
        position::note(self.conn, &self.watched, look, &standing).await
    }
}

/// Whether so many rows were written that autovacuum should not be waited for.
pub(in crate::refresh) fn wrote_many(live: &Relation, outcome: &Outcome) -> bool {
    let changed: i64 = [outcome.inserted, outcome.updated, outcome.deleted].into_iter().flatten().sum();
    // What only its partitions know is not known of a mart that has some.
    let rows = outcome.row_count.filter(|_| live.partitioned_by.is_some()).unwrap_or_default() as f64;
    changed as f64 > live.tuples.max(rows).max(1.0) * VACUUM_ABOVE
}

/// Does what autovacuum would do in time.
///
/// # Errors
/// What the server says.
pub(in crate::refresh) async fn tidy(conn: &mut PgConnection, live: &Relation, frame: &Frame) -> Result<(), SqlError> {
    let mut session = SessionState::alone();
    let tidied = build::run(conn, &mut session, frame, &format!("VACUUM (ANALYZE) {}", live.name)).await;
    session.leave(conn).await?;
    tidied.map(drop)
}

/// Where the mart stands, if the logs tell all that it missed since; else why not.
pub(in crate::refresh) fn since<'l>(changes: &Changes, look: &'l Look) -> Result<&'l Position, String> {
    if let Some(reason) = look.now.stand.unnoticed() {
        return Err(reason);
    }
    let before = look.before.as_ref().ok_or("nothing says which changes its rows have seen")?;
    // Its files are others, too, which says less.
    if let Some((source, _)) = changes.sources.iter().zip(&look.pending).find(|(_, pending)| pending.emptied) {
        return Err(format!("{} was emptied by TRUNCATE", source.table));
    }
    if let Some(reason) = moved(&before.stand, &look.now.stand) {
        return Err(reason);
    }
    if let Some(reason) = &look.standing.demoted {
        return Err(reason.clone());
    }
    for (source, pending) in changes.sources.iter().zip(&look.pending) {
        let table = &source.table;
        if pending.poisoned {
            return Err(format!("columns of {table} moved while it was written to, or what was logged is lost"));
        }
        if pending.many {
            return Err(format!("more than {} changes of {table}", thousands(pending.rows as i64)));
        }
    }
    Ok(before)
}

/// Whether an error is about values or their types, and not about the server, locks or rights.
pub(super) fn of_values(error: &SqlError) -> bool {
    let code = error.sqlstate.as_deref().unwrap_or_default();
    code.starts_with("22") || ["42883", "42804", "42846", "42P18", "0A000"].contains(&code)
}

//! One refresh by changes, in its transaction.

use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::done::{Done, whole};
use super::gate::Costs;
use super::keys::{self, Keys};
use super::within::{among, within};
use super::{gate, proof};
use crate::build::position::{self, Look, Position, Standing, Watched, moved};
use crate::build::{self, CheckResult, Frame, Narrow, SessionState};
use crate::catalog::Relation;
use crate::database::SqlError;
use crate::database::registry::in_schema;
use crate::refresh::decision::Decision;
use crate::refresh::outcome::{Outcome, figures, keep};
use crate::refresh::part::{VACUUM_ABOVE, type_of};
use crate::refresh::{Item, Method, RunStatus};
use crate::sql::changes;
use crate::sql::{oldest_kept, retained, unfrozen};
use crate::state::{Changes, Mart, quote_ident, thousands};

/// So many changes may be looked up in other tables without asking first what that costs.
const MANY: u64 = 100;

/// Keys, and what the planner thought of finding them, where it was asked.
struct Found {
    keys: Keys,
    cost: f64,
}

/// One refresh.
pub(super) struct Task<'a> {
    pub conn: &'a mut PgConnection,
    pub item: &'a Item,
    pub live: &'a Relation,
    pub watched: Watched<'a>,
    pub frame: &'a Frame,
    pub holder: i32,
    pub checks: &'a mut Vec<CheckResult>,
    /// What differs is taken out before anything comes.
    pub apart: bool,
}

impl<'a> Task<'a> {
    /// Begins the transaction and does everything but end it.
    pub async fn attempt(&mut self) -> Result<Done, SqlError> {
        let begin = position::begin(&self.watched, self.frame.role.as_deref(), self.frame.lock_timeout_ms);
        let begun = sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut *self.conn).await;
        let look = match begun {
            Ok(_) => position::look(self.conn, &self.watched, true).await,
            Err(error) => Err(error.into()),
        };
        let look = match look {
            Ok(look) => look,
            Err(error) if error.is("42P01") || error.is("42703") => {
                return Ok(whole("the logs of its sources are not there, or of other columns", Decision::default()));
            }
            Err(error) if of_values(&error) => {
                let reason = format!("what its sources logged cannot be told apart: {error}");
                return Ok(whole(reason, Decision::default()));
            }
            Err(error) => return Err(error),
        };
        let pending = look.pending.iter().map(|pending| pending.rows).sum();
        let decision = Decision { rung: "none", pending: Some(pending), ..Decision::default() };
        let before = match since(self.changes(), &look) {
            Ok(before) => before,
            Err(reason) => return Ok(whole(reason, decision)),
        };
        let retained = self.mart().retention.is_some();
        if pending == 0 && self.changes().moving.is_empty() && !retained {
            return self.nothing("nothing changed", decision, &look).await;
        }
        let at = before.at.to_rfc3339();
        let (mut look, mut session) = (look, SessionState::in_transaction());
        self.enter(&mut session).await?;
        let mut found = self.keys(&look, &at).await?;
        if let (true, Ok(some)) = (look.in_part(), &found) {
            // Where some of the keys cost too much, all of them do.
            let costs = self.costs(some, look.standing.cost).await?;
            if costs.ratio() >= gate::PAYS {
                let reason = format!("computing {} of many {}", of_keys(some.keys.count), costs);
                return Ok(whole(reason, of_costs(decision, costs)));
            }
            look.standing.cost = Some(costs.whole);
            session.leave(self.conn).await?;
            position::complete(self.conn, &self.watched, &mut look).await?;
            self.enter(&mut session).await?;
            found = self.keys(&look, &at).await?;
        }
        let found = match found {
            Ok(found) => found,
            Err(reason) => return Ok(whole(reason, decision)),
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
            self.note(&look, look.standing.clone()).await?;
            return self.nothing("no key is affected", decision, &look).await;
        }
        self.rows(session, &look, &found, decision).await
    }

    /// As the mart's owner, with its settings; what has keys for parameters is planned for them.
    async fn enter(&mut self, session: &mut SessionState) -> Result<(), SqlError> {
        let sql = format!("SET LOCAL plan_cache_mode = force_custom_plan;{}", session.entering(self.frame));
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *self.conn).await?;
        Ok(())
    }

    /// The keys that what was logged may affect; in words, why they are not known.
    async fn keys(&mut self, look: &Look, since: &str) -> Result<Result<Found, String>, SqlError> {
        let question = match keys::question(self.changes(), look, since) {
            Ok(question) => question,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut cost = 0.0;
        let rows: u64 = look.pending.iter().map(|pending| pending.rows).sum();
        if question.reads && rows >= MANY {
            cost = question.cost(self.conn).await?;
            let whole = look.standing.cost.unwrap_or(f64::MAX);
            let costs = Costs { some: cost, whole };
            if costs.ratio() >= gate::PAYS {
                return Ok(Err(format!("finding the keys that changed {costs}")));
            }
        }
        match question.keys(self.conn).await {
            Ok(keys) => Ok(Ok(Found { keys, cost })),
            // Without the filters of the query an old value may be one that it never computes with.
            Err(error) if of_values(&error) => Ok(Err(format!("the keys that changed cannot be computed: {error}"))),
            Err(error) => Err(error),
        }
    }

    /// What the planner thinks of computing the rows of these keys.
    async fn costs(&mut self, found: &Found, known: Option<f64>) -> Result<Costs, SqlError> {
        let sql = build::write_within(self.live, &self.narrow(&found.keys));
        let all = self.kept(&changes::whole(self.changes()));
        gate::costs(self.conn, (&sql, &found.keys), &all, (known, found.cost)).await
    }

    /// The rows of these keys, and those of the mart that they take the place of.
    fn narrow(&self, keys: &Keys) -> Narrow {
        let (changes, shape) = (self.changes(), &keys.shape);
        let mut within = within(changes, shape, "m");
        if let Some(condition) = self.unfrozen("m") {
            let _ = write!(within, " AND {condition}");
        }
        Narrow { query: self.kept(&changes::restricted(changes, shape)), within, among: among(changes, shape, "m") }
    }

    fn changes(&self) -> &'a Changes {
        self.watched.changes
    }

    fn mart(&self) -> &'a Mart {
        &self.item.recorded.mart
    }

    fn unfrozen(&self, alias: &str) -> Option<String> {
        unfrozen(self.mart(), alias, |name| type_of(self.live, name))
    }

    /// `query` without rows that are not kept, or that do not change any more.
    fn kept(&self, query: &str) -> String {
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
            let costs = self.costs(found, standing.cost).await?;
            decision = of_costs(decision, costs);
            if costs.ratio() >= gate::PAYS {
                return Ok(whole(format!("computing {} {costs}", of_keys(keys.count)), decision));
            }
            standing.cost = Some(costs.whole);
            merged = self.write(&self.narrow(keys), keys).await?;
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
                let reason = "its rows were not those of its query after a refresh by changes";
                let Done::Whole(mut whole) = whole(reason, decision) else {
                    return Ok(whole(reason, Decision::default()));
                };
                whole.demoted = Some(reason.to_owned());
                return Ok(Done::Whole(whole));
            }
            standing.verified += 1;
        }
        standing.refreshes += 1;
        standing.rows = match standing.rows {
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
            row_count: standing.rows,
            snapshot: Some(look.now.snapshot.clone()),
            decision: Some(decision),
            open: true,
            ..Outcome::default()
        };
        let sql = format!(
            "{};{}SET LOCAL plan_cache_mode = force_generic_plan",
            figures(self.item, &self.live.name, &outcome),
            session.leaving()
        );
        outcome.read(&sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *self.conn).await?)?;
        self.note(look, standing).await?;
        Ok(Done::Written(Box::new(outcome)))
    }

    /// Nothing was written: the figures are those of the run before.
    async fn nothing(&mut self, reason: &str, decision: Decision, look: &Look) -> Result<Done, SqlError> {
        let sql = in_schema(include_str!("../sql/figures_again.sql"), self.watched.registry);
        let row = sqlx::query(AssertSqlSafe(sql))
            .bind(self.watched.project)
            .bind(&self.item.mart.schema)
            .bind(&self.item.mart.name)
            .bind(self.live.name.to_string())
            .fetch_one(&mut *self.conn)
            .await?;
        Ok(Done::Written(Box::new(Outcome {
            method: Some(Method::Changes),
            reason: Some(reason.to_owned()),
            status: Some(RunStatus::Noop),
            inserted: Some(0),
            updated: Some(0),
            deleted: Some(0),
            row_count: look.standing.rows,
            newest: row.try_get("newest")?,
            size_bytes: row.try_get("bytes")?,
            snapshot: Some(look.now.snapshot.clone()),
            decision: Some(decision),
            open: true,
            ..Outcome::default()
        })))
    }

    /// How many rows were inserted, updated and deleted.
    async fn write(&mut self, narrow: &Narrow, keys: &Keys) -> Result<[i64; 3], SqlError> {
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

    async fn count(&mut self) -> Result<i64, SqlError> {
        let sql = format!("SELECT pg_catalog.count(*) FROM {}", self.live.name);
        Ok(sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut *self.conn).await?.try_get(0)?)
    }

    async fn note(&mut self, look: &Look, standing: Standing) -> Result<(), SqlError> {
        keep(self.conn, self.holder).await?;
        position::note(self.conn, &self.watched, &look.now, &standing).await
    }

    /// After many rows, which autovacuum would only see to in time. Fewer are committed along with the run's row of history.
    pub async fn tidied(&mut self, mut outcome: Box<Outcome>) -> Result<Done, SqlError> {
        let changed: i64 = [outcome.inserted, outcome.updated, outcome.deleted].into_iter().flatten().sum();
        if (changed as f64) > self.live.tuples.max(1.0) * VACUUM_ABOVE {
            outcome.open = false;
            sqlx::raw_sql("COMMIT").execute(&mut *self.conn).await?;
            let mut session = SessionState::alone();
            let sql = format!("VACUUM (ANALYZE) {}", self.live.name);
            let tidied = build::run(self.conn, &mut session, self.frame, &sql).await;
            session.leave(self.conn).await?;
            tidied?;
        }
        Ok(Done::Written(outcome))
    }
}

/// Where the mart stands, if the logs tell all that it missed since; else why not.
pub(super) fn since<'l>(changes: &Changes, look: &'l Look) -> Result<&'l Position, String> {
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
            return Err(format!("columns of {table} moved while it was written to"));
        }
        if pending.many {
            return Err(format!("more than {} changes of {table}", thousands(pending.rows as i64)));
        }
    }
    Ok(before)
}

/// A decision with what it goes by.
fn of_costs(decision: Decision, costs: Costs) -> Decision {
    let ratio = Some((costs.ratio() * 1e4).round() / 1e4);
    Decision { cost: Some(costs.some), whole: Some(costs.whole), ratio, ..decision }
}

fn of_keys(count: u64) -> String {
    format!("{} key{}", thousands(count as i64), if count == 1 { "" } else { "s" })
}

fn of_changes(count: u64) -> String {
    format!("{} change{}", thousands(count as i64), if count == 1 { "" } else { "s" })
}

/// Whether an error is about values or their types, and not about the server, locks or rights.
fn of_values(error: &SqlError) -> bool {
    let code = error.sqlstate.as_deref().unwrap_or_default();
    code.starts_with("22") || ["42883", "42804", "42846", "42P18", "0A000"].contains(&code)
}

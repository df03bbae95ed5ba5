//! The keys of a refresh, and what computing their rows costs.

use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, Row};

use super::gate::{self, Costs, Part, of_costs};
use super::keys::{self, Found, Keys};
use super::learned::History;
use super::task::{Task, of_values};
use super::within::{among, within};
use super::words::of_keys;
use crate::build::position::{self, Look, Standing};
use crate::build::{self, Narrow, SessionState};
use crate::database::SqlError;
use crate::refresh::decision::Decision;
use crate::sql::changes::{self, Shape};

/// So many changes may be looked up in other tables without asking first what that costs.
const MANY: u64 = 100;
/// Rows of more are not counted to know whether the keys are most of them.
const FEW: i64 = 10_000;
/// The planner looks at so many keys for longer than a message takes.
const LARGE: u64 = 1_000;

impl<'a> Task<'a> {
    /// The keys that what was logged may affect, found as the mart's owner, or why all rows are computed, with what that goes by. Where
    /// much was logged, the keys of some of it tell first.
    pub async fn found(
        &mut self,
        look: &mut Look,
        session: &mut SessionState,
        since: &str,
        decision: &Decision,
    ) -> Result<Result<Found, (String, Decision)>, SqlError> {
        if let Some(reason) = keys::any_row(self.changes(), look) {
            return Ok(Err((reason, decision.clone())));
        }
        // Since all rows were computed some were: the last time they were not cheaper.
        let by_keys = look.standing.refreshes > 0;
        if !by_keys && let Some(refused) = self.refused(decision.pending.unwrap_or_default(), decision).await? {
            return Ok(Err(refused));
        }
        look.count_values(self.conn, &self.watched).await?;
        self.enter(session, look).await?;
        let found = self.keys(look, since, decision).await?;
        let found = match found {
            Ok(some) if look.in_part() => {
                // Where some of the keys cost too much, all of them do, if not as partitions.
                if self.item.recorded.mart.partition.is_none() {
                    let costs = self.costs(&some, &look.standing).await?;
                    if costs.ratio() >= gate::PAYS {
                        let reason = format!("computing {} of many {costs}", of_keys(some.keys.count));
                        return Ok(Err((reason, of_costs(decision.clone(), costs))));
                    }
                    look.standing.cost = Some(costs.whole);
                }
                session.leave(self.conn).await?;
                position::complete(self.conn, &self.watched, look).await?;
                self.enter(session, look).await?;
                self.keys(look, since, decision).await?
            }
            found => found,
        };
        Ok(found)
    }

    /// As the mart's owner, with its settings; what has keys for parameters, and no name, is planned for them, and nothing is compiled
    /// for so little, or for a plan that is only looked at.
    pub async fn enter(&mut self, session: &mut SessionState, look: &Look) -> Result<(), SqlError> {
        let sql = format!(
            "SET LOCAL plan_cache_mode = auto; SET LOCAL jit = off;{}{}",
            look.planner(),
            session.entering(self.frame)
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *self.conn).await?;
        Ok(())
    }

    /// The keys that what was logged may affect; in words, why they are not known.
    async fn keys(
        &mut self,
        look: &Look,
        since: &str,
        decision: &Decision,
    ) -> Result<Result<Found, (String, Decision)>, SqlError> {
        let question = match keys::question(self.changes(), look, since) {
            Ok(question) => question,
            Err(reason) => return Ok(Err((reason, decision.clone()))),
        };
        let mut cost = 0.0;
        let rows: u64 = look.pending.iter().map(|pending| pending.rows).sum();
        if question.reads && rows >= MANY && self.item.recorded.mart.partition.is_none() {
            cost = question.cost(self.conn).await?;
            let whole = look.standing.cost.unwrap_or(f64::MAX);
            let costs = Costs { some: cost, whole, slower: 1.0 };
            if costs.ratio() >= gate::PAYS {
                let reason = format!("finding the keys that changed {costs}");
                return Ok(Err((reason, of_costs(decision.clone(), costs))));
            }
        }
        match question.keys(self.conn).await {
            Ok(keys) => Ok(Ok(Found { keys, cost })),
            // Without the filters of the query an old value may be one that it never computes with.
            Err(error) if of_values(&error) => {
                Ok(Err((format!("the keys that changed cannot be computed: {error}"), decision.clone())))
            }
            Err(error) => Err(error),
        }
    }

    /// What the planner thinks of computing the rows of these keys.
    pub async fn costs(&mut self, found: &Found, standing: &Standing) -> Result<Costs, SqlError> {
        let sql = |shape: &Shape| build::write_within(self.live, &self.narrow_of(shape));
        let narrow = self.narrow_of(&found.keys.shape);
        let (some, rows) = (build::write_within(self.live, &narrow), build::compute_within(self.live, &narrow));
        let first = found.keys.first_range().map(|(shape, wide)| (sql(&shape), wide));
        let all = self.kept(&changes::whole(self.changes()));
        let (history, own_costs) = (self.history(), self.own_costs());
        let some = Part { sql: &some, rows: Some(&rows), keys: &found.keys, first, history, own_costs };
        // Of many it takes a while to ask, and of a good part of the mart's rows it is asked closely at once.
        let count = found.keys.count;
        let many = count >= LARGE && standing.rows.is_some_and(|rows| part_of(count, rows) >= gate::CLOSE);
        let known = standing.cost.filter(|_| !many);
        let mut costs = gate::costs(self.conn, some, &all, (known, found.cost)).await?;
        if costs.ratio() < gate::PAYS
            && let Some(part) = self.part(&found.keys, standing.rows).await?
        {
            costs.some = costs.some.max(costs.whole * part);
        }
        Ok(costs)
    }

    /// Which part of the mart's rows the keys are, where that may be most of them and each key is one row: computing them costs no
    /// less of all, however few rows the planner expects of a key that is an expression.
    async fn part(&mut self, keys: &Keys, rows: Option<i64>) -> Result<Option<f64>, SqlError> {
        let Some(rows) = rows else { return Ok(None) };
        let part = part_of(keys.count, rows);
        if rows > FEW || !(gate::PAYS..=1.0).contains(&part) {
            return Ok(None);
        }
        let within = within(self.changes(), &keys.shape, "m");
        let sql = AssertSqlSafe(format!("SELECT pg_catalog.count(*) FROM {} AS m WHERE {within}", self.live.name));
        let row = keys.bind(sqlx::query(sql).persistent(false)).fetch_one(&mut *self.conn).await?;
        Ok((u64::try_from(row.try_get::<i64, _>(0)?) == Ok(keys.count)).then_some(part))
    }

    /// Whether the mart's session says what a page costs.
    pub fn own_costs(&self) -> bool {
        self.frame.settings.iter().any(|(name, _)| name == "random_page_cost")
    }

    /// Where earlier runs of the mart are told of.
    pub fn history(&self) -> History<'a> {
        let (registry, project) = (self.watched.registry, self.watched.project);
        History { registry, project, mart: &self.item.mart }
    }

    /// The rows of these keys, and those of the mart that they take the place of.
    pub fn narrow(&self, keys: &Keys) -> Narrow {
        self.narrow_of(&keys.shape)
    }

    fn narrow_of(&self, shape: &Shape) -> Narrow {
        let changes = self.changes();
        let mut within = within(changes, shape, "m");
        if let Some(condition) = self.unfrozen("m") {
            let _ = write!(within, " AND {condition}");
        }
        Narrow { query: self.kept(&changes::restricted(changes, shape)), within, among: among(changes, shape, "m") }
    }
}

/// Which part of a mart's rows so many are.
#[allow(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn part_of(count: u64, rows: i64) -> f64 {
    count as f64 / rows.max(1) as f64
}

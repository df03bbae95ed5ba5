//! The partitions in which rows of the keys stand, built aside in the transaction that found them.

use futures_util::future::join;
use sqlx::{PgConnection, Row};

use super::done::{Done, Filled, whole};
use super::keys::Keys;
use super::proof;
use super::words::{of_changes, of_partitions};
use crate::build::position::{Look, Standing};
use crate::build::{self, CheckResult, Division, Frame, SessionState, Touched, Which};
use crate::catalog::Relation;
use crate::database::{Endpoint, SqlError};
use crate::refresh::Method;
use crate::refresh::cut::cut;
use crate::refresh::decision::Decision;
use crate::refresh::part::type_of;
use crate::sql::{changes, oldest_partition_of};
use crate::state::{Changes, IncrementalMethod, Mart};

/// Fewer keys are merged.
const MANY: u64 = 1_000;
/// Beyond this part of the rows of their partitions, these are exchanged.
const MOST: f64 = 0.5;

/// Partitions of a mart, and the query that gives their rows.
pub(super) struct Parts<'a> {
    mart: &'a Mart,
    live: &'a Relation,
    division: Division,
    touched: Touched,
    /// The query of their rows, and perhaps others.
    query: String,
    /// The condition that theirs meet.
    condition: String,
}

/// Whether partitions are computed whatever rows of them changed.
pub(super) fn are_asked_for(mart: &Mart) -> bool {
    let method = mart.refresh.incremental.as_ref().map(|incremental| incremental.method);
    method == Some(IncrementalMethod::Partition)
}

/// What a refresh by changes is called in the history.
pub(in crate::refresh) fn method(mart: &Mart) -> Method {
    if are_asked_for(mart) { Method::Partition } else { Method::Changes }
}

impl<'a> Parts<'a> {
    /// Those in which rows of the keys stand. `None` where the mart has none, or the keys do not tell them.
    pub async fn of(
        conn: &mut PgConnection,
        (mart, live): (&'a Mart, &'a Relation),
        of: &Changes,
        keys: &Keys,
    ) -> Result<Option<Self>, SqlError> {
        let Some(partition) = &mart.partition else { return Ok(None) };
        let Some(at) = of.key.iter().position(|key| key.name == partition.column) else { return Ok(None) };
        let Some((values, null)) = keys.values(at) else { return Ok(None) };
        let Some(division) = Division::of(conn, mart, live).await? else { return Ok(None) };
        let oldest = oldest_partition_of(mart, |name| type_of(live, name));
        let values = (values, of.key[at].type_name.as_str());
        let touched = division.touched(conn, values, null, oldest.as_deref()).await?;
        let spans = if touched.others { Vec::new() } else { division.spans(&touched) };
        let query = if spans.is_empty() { changes::whole(of) } else { changes::spanned(of, at, &spans) };
        let condition = division.condition(&touched);
        Ok(Some(Self { mart, live, division, touched, query, condition }))
    }

    /// Rows of the keys have no partition yet.
    pub fn are_missing(&self) -> bool {
        self.division.is_homeless(&self.touched)
    }

    /// They are all there are.
    pub fn are_all(&self) -> bool {
        self.division.is_all(&self.touched)
    }

    /// So many keys are most of their rows: exchanging them writes no more than merging, and leaves nothing behind.
    pub async fn are_rewritten(&self, conn: &mut PgConnection, keys: u64) -> Result<bool, SqlError> {
        if keys < MANY {
            return Ok(false);
        }
        let sql = "SELECT coalesce(pg_catalog.sum(greatest(c.reltuples, 0)), 0)::float8 FROM pg_catalog.pg_class AS c WHERE c.oid = ANY ($1::bigint[]::pg_catalog.oid[])";
        let oids: Vec<i64> = self.touched.parts.iter().copied().collect();
        let rows: f64 = sqlx::query(sql).bind(oids).fetch_one(conn).await?.try_get(0)?;
        #[allow(clippy::cast_precision_loss, reason = "a count far below 2^53")]
        Ok(keys as f64 > rows * MOST)
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.touched.parts.len() as u64
    }

    /// The query of the rows that are theirs.
    pub fn rows(&self) -> String {
        format!("SELECT * FROM (\n{}\n) AS q WHERE {}", self.query, self.condition)
    }

    /// Computes them. `all` is the query of all rows that may change.
    pub async fn fill(
        self,
        conn: &mut PgConnection,
        mut session: SessionState,
        (frame, checks, beside): (&Frame, &mut Vec<CheckResult>, Option<&Endpoint>),
        look: &Look,
        (all, unfrozen): (&str, impl Fn(&str) -> Option<String>),
        (mut standing, mut decision): (Standing, Decision),
    ) -> Result<Done, SqlError> {
        decision.rung = "partitions";
        if proof::is_due(&standing) {
            // What is not computed again has to be right as it is.
            let others = |alias: &str| {
                let frozen = unfrozen(alias).map(|condition| format!(" AND {condition}")).unwrap_or_default();
                Some(format!("({} IS NOT TRUE{frozen})", self.condition))
            };
            let same = proof::same(conn, self.live, all, others).await?;
            decision.verified = Some(same);
            if !same {
                let reason = "its rows in partitions that no change touched were not those of its query";
                return Ok(demoted(reason, decision));
            }
            standing.verified += 1;
        }
        session.leave(conn).await?;
        let cut = cut(conn, self.mart, self.live, None, frame).await?;
        let reason =
            format!("{} touched by {}", of_partitions(self.count()), of_changes(decision.pending.unwrap_or_default()));
        let touched = self.touched.parts.clone();
        let which =
            Which { cut, touched: Some((self.touched, self.condition)), query: Some(self.query), ..Which::default() };
        let there = self.live.partitions.iter().filter(|attached| touched.contains(&attached.oid)).collect::<Vec<_>>();
        let (next, held) = join(
            build::fill_parts(conn, self.mart, self.live, &which, frame, checks),
            build::held(beside, &self.mart.name, &there, frame),
        )
        .await;
        let mut next = next?;
        for part in &mut next.parts {
            part.held = part.live.as_ref().and_then(|attached| held.get(&attached.oid)).copied();
        }
        standing.refreshes += 1;
        Ok(Done::Filled(Box::new(Filled { next, look: look.clone(), standing, reason, decision })))
    }
}

/// The rows were wrong: they are computed anew, and the mart follows no changes from then on.
pub(super) fn demoted(reason: &str, decision: Decision) -> Done {
    let mut done = whole(reason, decision);
    if let Done::Whole(whole) = &mut done {
        whole.demoted = Some(reason.to_owned());
    }
    done
}

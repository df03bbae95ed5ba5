//! Whether computing some rows pays, as the server's planner sees it.

use sqlx::{AssertSqlSafe, PgConnection};

use super::explain::cost;
use super::keys::Keys;
use super::learned::History;
use crate::database::SqlError;
use crate::refresh::decision::Decision;

/// Below this part of what all rows cost, only those of the keys are computed.
pub(super) const PAYS: f64 = 0.7;
/// From this on it is asked for more closely, and for the cost of all rows again, where that was known from before. Below it computing
/// the rows decides: writing them costs no more than that. What such runs took teaches nothing.
pub(super) const CLOSE: f64 = 0.1;
/// What a rebuild costs beside its query, in the planner's units: relations that are made, filled, indexed and exchanged.
const REBUILD: f64 = 2_000.0;

/// What the planner thinks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Costs {
    /// Of writing the rows of the keys, and of finding these.
    pub some: f64,
    /// Of all rows.
    pub whole: f64,
    /// How many times longer than that its units took, in earlier runs.
    pub slower: f64,
}

/// The statement that writes the rows of some keys.
pub(super) struct Part<'a> {
    /// It.
    pub sql: &'a str,
    /// One that only computes them.
    pub rows: Option<&'a str>,
    /// Its parameters.
    pub keys: &'a Keys,
    /// The same for the first of several ranges, and how many times as wide all of them are.
    pub first: Option<(String, f64)>,
    /// Where earlier runs are told of.
    pub history: History<'a>,
    /// What a page costs is what the mart's session says.
    pub own_costs: bool,
}

impl Costs {
    /// The one as part of the other.
    pub fn ratio(self) -> f64 {
        self.slower * self.some / (self.whole + REBUILD)
    }
}

impl std::fmt::Display for Costs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "costs {:.2} of all", self.ratio())
    }
}

/// Asks the planner, of the statement that writes some rows: unlike a query it runs in one process. What all rows cost is taken as
/// `known`, as long as that decides clearly; finding the keys cost `before`.
///
/// # Errors
/// What the server says.
pub(super) async fn costs(
    conn: &mut PgConnection,
    part: Part<'_>,
    whole: &str,
    (known, before): (Option<f64>, f64),
) -> Result<Costs, SqlError> {
    let bind = |statement| part.keys.bind(statement);
    if let Some(whole) = known {
        let rows = part.rows.unwrap_or(part.sql);
        let costs = Costs { some: before + cost(conn, rows, bind).await?, whole, slower: 1.0 };
        if costs.ratio() < CLOSE {
            return Ok(costs);
        }
    }
    // The history is ours, not the mart's owner's.
    sqlx::raw_sql("SAVEPOINT datamart_costs; RESET ROLE; SET LOCAL search_path = pg_catalog, pg_temp")
        .execute(&mut *conn)
        .await?;
    let learned = part.history.learned(conn).await?;
    // Of groups by an expression the planner expects as many as there are rows, and of their table that it does not fit into memory:
    // part of it would look cheap, and so would all of it.
    let again = "ROLLBACK TO SAVEPOINT datamart_costs; SET LOCAL work_mem = '1GB'";
    // What is cheap only if all of it is in memory is not taken for cheaper than all rows.
    let pages = if part.own_costs { "" } else { "; SET LOCAL random_page_cost TO DEFAULT" };
    sqlx::raw_sql(AssertSqlSafe(format!("{again}{pages}"))).execute(&mut *conn).await?;
    let mut some = cost(conn, part.sql, bind).await?;
    if let Some((sql, wide)) = &part.first {
        // Several ranges are looked up side by side, for which the planner takes rows that are close in time to be all over the table.
        some = some.min(cost(conn, sql, bind).await? * wide);
    }
    let whole = cost(conn, whole, |statement| statement).await?;
    sqlx::raw_sql("ROLLBACK TO SAVEPOINT datamart_costs; RELEASE SAVEPOINT datamart_costs").execute(conn).await?;
    Ok(Costs { some: before + some, whole, slower: learned.slower(whole + REBUILD) })
}

/// A decision with what it goes by.
pub(super) fn of_costs(decision: Decision, costs: Costs) -> Decision {
    let ratio = Some((costs.ratio() * 1e4).round() / 1e4);
    Decision { cost: Some(costs.some), whole: Some(costs.whole), ratio, ..decision }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_mart_is_not_made_anew_for_its_query_s_cost() {
        assert!(Costs { some: 20.0, whole: 20.0, slower: 1.0 }.ratio() < PAYS);
        assert!(Costs { some: 80_000.0, whole: 100_000.0, slower: 1.0 }.ratio() > PAYS);
    }
}

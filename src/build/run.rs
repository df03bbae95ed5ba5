//! The one function that runs DDL.

use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, PgConnection};

use super::session::{Frame, SessionState};
use crate::database::SqlError;
use crate::database::retry::Backoff;
use crate::state::PUBLICATION_TRIES;

/// Runs one statement within `frame`.
pub async fn run(
    conn: &mut PgConnection,
    session: &mut SessionState,
    frame: &Frame,
    sql: &str,
) -> Result<u64, SqlError> {
    session.enter(conn, frame).await?;
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await;
    Ok(done.map_err(|error| SqlError::from(error).of_role(frame.role.as_deref()))?.rows_affected())
}

/// Where a sequence of statements stopped.
#[derive(Debug)]
pub struct Halted {
    /// How many were done.
    pub done: usize,
    /// What stopped the next one; a position in its text.
    pub error: SqlError,
}

/// Runs statements of a transaction within `frame`, all in one message: a round trip each would cost as much as a small
/// one of them. `begins` is told of each before it begins.
///
/// # Errors
/// At the first one that fails; those after it are not run.
pub async fn run_all(
    conn: &mut PgConnection,
    session: &mut SessionState,
    frame: &Frame,
    statements: &[&str],
    begins: &mut dyn FnMut(usize),
) -> Result<(), Halted> {
    if let Err(error) = session.enter(conn, frame).await {
        begins(0);
        return Err(Halted { done: 0, error });
    }
    // On a line of its own: a query may end with a comment.
    let batch = statements.join(BETWEEN);
    let mut done = 0;
    begins(done);
    let mut results = sqlx::raw_sql(AssertSqlSafe(batch)).execute_many(conn);
    loop {
        match results.try_next().await {
            Ok(Some(_)) => done += 1,
            Ok(None) => return Ok(()),
            Err(error) => {
                let before = statements.iter().take(done).map(|sql| sql.chars().count() + BETWEEN.len());
                let (error, before) = (SqlError::from(error).of_role(frame.role.as_deref()), before.sum());
                let position = error.position.and_then(|at| at.checked_sub(before)).filter(|at| *at > 0);
                return Err(Halted { done, error: error.at(position) });
            }
        }
        if done < statements.len() {
            begins(done);
        }
    }
}

const BETWEEN: &str = "\n;\n";

/// The tries of a publication. It wants locks that readers hold and asks for each only briefly; what does not get one is
/// rolled back as a whole, so that nobody queues behind the locks that it has already, and begins again.
#[derive(Debug, Default)]
pub struct Tries {
    failures: u32,
}

impl Tries {
    /// Whether to begin again after `error`: it passes, and there are tries left. Waits before it says so.
    pub async fn again(&mut self, error: &SqlError) -> bool {
        self.failures += 1;
        let busy = error.is("55P03") || error.is("40P01");
        if !busy || self.failures >= PUBLICATION_TRIES {
            return false;
        }
        let (first, longest) = (Duration::from_millis(20), Duration::from_millis(500));
        Backoff { attempts: PUBLICATION_TRIES, first, longest }.wait(self.failures).await;
        true
    }
}

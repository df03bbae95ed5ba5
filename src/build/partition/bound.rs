//! What a partition takes, said by a constraint for a while: attaching one beside it reads no row then.

use sqlx::{PgConnection, Row};

use crate::build::check::{check_all, failure};
use crate::build::copy::close;
use crate::build::run::{Tries, run};
use crate::build::session::{Frame, SessionState};
use crate::database::SqlError;
pub(super) use crate::sql::BOUND;
use crate::sql::{forget_bound, say_bound};
use crate::state::{Mart, QName};

/// What a partition takes, as the server prints it; `None`: whatever there is.
///
/// # Errors
/// What PostgreSQL says.
pub(super) async fn of(conn: &mut PgConnection, oid: i64) -> Result<Option<String>, SqlError> {
    let sql = "SELECT pg_catalog.pg_get_partition_constraintdef($1::bigint::oid)";
    Ok(sqlx::query(sql).bind(oid).fetch_one(conn).await?.try_get(0)?)
}

/// The statement that says it of one that nobody reads yet.
pub(super) fn add(partition: &QName, condition: &str) -> String {
    format!("ALTER TABLE {partition} {}", constraint(condition))
}

/// The same as part of a statement.
pub(super) fn constraint(condition: &str) -> String {
    format!("ADD CONSTRAINT {BOUND} CHECK ({condition})")
}

/// Says it of a partition that is there, beside its readers: `brief` waits for their locks no longer than a publication does,
/// and rows are looked at under a lock that lets them go on.
pub(super) async fn say(
    conn: &mut PgConnection,
    partition: &QName,
    condition: &str,
    frame: &Frame,
    brief: &Frame,
) -> Result<(), SqlError> {
    let statements = [(brief, Do::Run(forget_bound(partition))), (brief, Do::Run(say_bound(partition, condition)))];
    transaction(conn, &statements).await?;
    let mut session = SessionState::alone();
    let sql = format!("ALTER TABLE {partition} VALIDATE CONSTRAINT {BOUND}");
    let validated = run(conn, &mut session, frame, &sql).await;
    session.leave(conn).await?;
    if validated.is_err() {
        forget(conn, partition, brief).await;
    }
    validated.map(|_| ())
}

/// Takes it away where it was left. What is busy, or cannot be asked any more, keeps it until the next look: that comes with
/// every refresh.
pub(super) async fn forget(conn: &mut PgConnection, partition: &QName, brief: &Frame) {
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = to_regclass($1) AND conname = $2)";
    let left = sqlx::query(sql).bind(partition.to_string()).bind(BOUND).fetch_one(&mut *conn).await;
    if left.and_then(|row| row.try_get::<bool, _>(0)).unwrap_or_default() {
        let _ = transaction(conn, &[(brief, Do::Run(forget_bound(partition)))]).await;
    }
}

/// What a transaction about a partition does.
pub(super) enum Do<'a> {
    /// A statement.
    Run(String),
    /// The checks of a mart, of rows that nobody reads yet.
    Check(&'a Mart, &'a QName),
}

/// Statements in one transaction, begun again where a lock is not to be had.
pub(super) async fn transaction(conn: &mut PgConnection, statements: &[(&Frame, Do<'_>)]) -> Result<(), SqlError> {
    let mut tries = Tries::default();
    loop {
        let mut session = SessionState::in_transaction();
        sqlx::raw_sql("BEGIN").execute(&mut *conn).await?;
        let outcome = async {
            for (frame, step) in statements {
                match step {
                    Do::Run(sql) => drop(run(conn, &mut session, frame, sql).await?),
                    Do::Check(mart, rows) => {
                        let mut checks = Vec::new();
                        check_all(conn, &mut session, frame, mart, rows, &mut checks).await?;
                        if let Some(error) = failure(&checks) {
                            return Err(error);
                        }
                    }
                }
            }
            session.leave(conn).await
        }
        .await;
        match close(conn, outcome).await {
            Err(error) if tries.again(&error).await => {}
            done => return done,
        }
    }
}

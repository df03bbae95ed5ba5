//! How a session begins: our settings, and the look whether a pooler stands between.

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};

use super::SqlError;
use crate::state::quote_literal;

const SETTLED: &str = include_str!("settled.sql");

/// Sent with the start-up message. `transaction_timeout`, which only 17 and later know, follows in the first statement.
const SETTINGS: &[(&str, &str)] = &[
    ("search_path", "pg_catalog,pg_temp"),
    ("client_min_messages", "warning"),
    ("standard_conforming_strings", "on"),
    ("intervalstyle", "postgres"),
    ("bytea_output", "hex"),
    // Definitions are printed with these: digits are not to be lost, and names are quoted where they have to be.
    ("extra_float_digits", "1"),
    ("quote_all_identifiers", "off"),
    // What limits a role's own work is not meant for ours: manifests say how long it may take, and wait. Of transactions that look after
    // a lock each statement sees what is committed by then.
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_deferrable", "off"),
    ("idle_in_transaction_session_timeout", "0"),
    ("idle_session_timeout", "0"),
    // Nothing is held for a machine that is gone.
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "25000"),
    // The work of a killed client ends.
    ("client_connection_check_interval", "2s"),
];

/// What came of opening a session.
pub(super) enum Opened {
    /// It is ours, with our settings.
    Session(PgConnection),
    /// A pooler gives the same backend to several sessions.
    Shared,
}

/// Opens a session with our settings, in one round trip after the start-up.
///
/// Where the settings do not arrive with the start-up there is a pooler, or a system that cannot watch for lost clients. Setting them
/// by a statement would leave them to the next client of a pooled backend, so that is done only after a look.
pub(super) async fn open(options: &PgConnectOptions) -> Result<Opened, SqlError> {
    let with_settings = options.clone().options(SETTINGS.iter().copied());
    match with_settings.connect().await.map_err(SqlError::from) {
        Ok(mut conn) => {
            let row = sqlx::raw_sql(SETTLED).fetch_one(&mut conn).await?;
            if row.try_get::<bool, _>("settled")? {
                return Ok(Opened::Session(conn));
            }
            by_statement(conn, options).await
        }
        Err(error) if refuses_options(&error) => by_statement(options.connect().await?, options).await,
        Err(error) => Err(error),
    }
}

/// A session that is told what others notify, and that works between two messages. It is not opened again by itself.
pub(super) async fn listener(options: &PgConnectOptions) -> Result<PgListener, SqlError> {
    let options = options.clone().options(SETTINGS.iter().copied());
    // The driver gives notifications of pooled sessions only: a pool of one, that nothing else takes from.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .test_before_acquire(false)
        .connect_with(options)
        .await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.ignore_pool_close_event(true);
    listener.eager_reconnect(false);
    sqlx::raw_sql(SETTLED).execute(&mut listener).await?;
    Ok(listener)
}

/// Words of servers and poolers about a start-up option: not allowed, not supported, unknown, not with this value.
fn refuses_options(error: &SqlError) -> bool {
    ["08P01", "0A000", "42704", "22023"].iter().any(|code| error.is(code))
}

async fn by_statement(mut conn: PgConnection, options: &PgConnectOptions) -> Result<Opened, SqlError> {
    let mut other = options.connect().await?;
    let shared = is_shared(&mut conn, &mut other).await?;
    other.close().await?;
    if shared {
        return Ok(Opened::Shared);
    }
    if let Err(error) = set(&mut conn, SETTINGS).await {
        if !error.message.contains("client_connection_check_interval") {
            return Err(error);
        }
        set(&mut conn, &SETTINGS[..SETTINGS.len() - 1]).await?;
    }
    sqlx::raw_sql(SETTLED).execute(&mut conn).await?;
    Ok(Opened::Session(conn))
}

async fn set(conn: &mut PgConnection, settings: &[(&str, &str)]) -> Result<(), SqlError> {
    let calls: Vec<String> = settings
        .iter()
        .map(|(name, value)| {
            let (name, value) = (quote_literal(name), quote_literal(value));
            format!("pg_catalog.set_config({name}, {value}, false)")
        })
        .collect();
    let sql = format!("SELECT {}", calls.join(", "));
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await?;
    Ok(())
}

/// Whether a pooler shares backends between sessions: the other one, in a transaction, is given ours, or drives us to another.
pub(super) async fn is_shared(conn: &mut PgConnection, other: &mut PgConnection) -> Result<bool, SqlError> {
    let before = backend_pid(conn).await?;
    sqlx::raw_sql("BEGIN").execute(&mut *other).await?;
    let theirs = backend_pid(other).await?;
    // Where the other one has our backend, a pool of one would make us wait for it.
    let shared = theirs == before || backend_pid(conn).await? != before;
    sqlx::raw_sql("ROLLBACK").execute(other).await?;
    Ok(shared)
}

/// The process of this session on the server, through the simple protocol, which every pooler passes on.
pub(super) async fn backend_pid(conn: &mut PgConnection) -> Result<i32, SqlError> {
    let row = sqlx::raw_sql("SELECT pg_catalog.pg_backend_pid()").fetch_one(conn).await?;
    Ok(row.try_get(0)?)
}

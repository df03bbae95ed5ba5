//! What a mart says beside its query, each word tried alone: the settings of its session, the parameters of its storage.

use sqlx::PgConnection;

use super::place::{Scratch, put_back};
use super::savepoint::savepoint;
use super::{CompileError, Failure};
use crate::database::SqlError;
use crate::manifest::DesiredMart;
use crate::sql::with_options;
use crate::state::{Mart, QName, quote_literal};

/// The settings of sessions that the server does not take. Those that it does not know are put back for nobody.
pub(super) async fn refused_settings(
    conn: &mut PgConnection,
    marts: &[&DesiredMart],
    scratch: &mut Scratch,
) -> Result<Vec<Failure>, CompileError> {
    for key in scratch.session.clone() {
        if savepoint(conn, &put_back(&key)).await?.is_err() {
            scratch.session.remove(&key);
        }
    }
    let mut failures = Vec::new();
    for mart in marts.iter().map(|desired| &desired.mart) {
        for (key, value) in &mart.session {
            let set = format!("SELECT pg_catalog.set_config({}, {}, true)", quote_literal(key), quote_literal(value));
            if let Err(error) = savepoint(conn, &set).await? {
                let error = match error.is("42704") {
                    true => error.hinted("check its name: `SHOW ALL` lists the settings of this server"),
                    false => error,
                };
                failures.push(failure(mart, format!("session.{key}"), error));
            }
        }
    }
    Ok(failures)
}

/// What tries the parameters of a mart's storage, where it has some: an empty table takes the same.
pub(super) fn stored(mart: &Mart, scratch: &Scratch) -> Option<String> {
    let table = QName::new(scratch.beside(mart), "datamart options");
    let tried = mart.kind.has_data() && !mart.with.is_empty();
    tried.then(|| format!("CREATE TABLE {table} (){}; DROP TABLE {table}", with_options(&mart.with)))
}

/// What the server says against those, at the one that it names.
pub(super) fn unstorable(mart: &Mart, error: SqlError) -> Failure {
    let named = |key: &&String| error.message.contains(&format!("\"{}\"", key.rsplit('.').next().unwrap_or(key)));
    let key = mart.with.keys().find(named).map_or("with".to_owned(), |key| format!("with.{key}"));
    failure(mart, key, error)
}

fn failure(mart: &Mart, key: String, error: SqlError) -> Failure {
    Failure { mart: mart.name.clone(), index: None, check: None, key: Some(key), error: error.at(None) }
}

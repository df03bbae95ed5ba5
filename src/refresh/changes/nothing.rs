//! What is told of a refresh that had nothing to do.

use sqlx::PgConnection;

use super::keeping::counted;
use crate::build::position::{Figures, Look, Watched};
use crate::database::SqlError;
use crate::refresh::decision::Decision;
use crate::refresh::outcome::Outcome;
use crate::refresh::{Item, Method, RunStatus};

/// Nothing was written: the figures are those of the run before. The transaction is open.
///
/// # Errors
/// What the server says.
pub(in crate::refresh) async fn nothing(
    conn: &mut PgConnection,
    item: &Item,
    (watched, look): (&Watched<'_>, &Look),
    method: Option<Method>,
    (reason, decision): (&str, Decision),
) -> Result<Box<Outcome>, SqlError> {
    let figures = match &look.figures {
        Some(figures) => figures.clone(),
        None => Figures::of(conn, watched).await?,
    };
    Ok(Box::new(Outcome {
        method,
        reason: Some(reason.to_owned()),
        status: Some(RunStatus::Noop),
        inserted: Some(0),
        updated: Some(0),
        deleted: Some(0),
        row_count: counted(item, &look.standing),
        newest: figures.newest,
        size_bytes: figures.bytes,
        snapshot: Some(look.now.snapshot.clone()),
        own: look.own,
        decision: Some(decision),
        open: true,
        ..Outcome::default()
    }))
}

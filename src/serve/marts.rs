//! Marts: all, one, closely, their versions, some of their rows.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sqlx::PgConnection;

use super::ask::{Answer, Ask};
use super::filter::DEFAULT_LIMIT;
use super::look::{Look, ageless, begin, begin_rows};
use super::plans::Waiting;
use super::problem::Problem;
use crate::observe::{self, MartStatus, States};
use crate::state::{QName, Selector};

/// `GET /api/v1/marts`.
pub(super) async fn list(ask: &Ask) -> Result<Answer, Problem> {
    let stats = ask.query.flag("stats")?;
    let selector = ask.query.one("select")?.map(Selector::parse).transpose().map_err(Problem::bad)?;
    let mut session = ask.state.pool.session().await?;
    let done = listed(ask, &mut session, selector.as_ref()).await;
    let (look, mut marts) = session.after(done).await?;
    if !stats {
        marts.iter_mut().for_each(MartStatus::without_sizes);
    }
    let marts: Vec<Value> = marts.iter().map(told).collect();
    let tag: Vec<Value> = marts.iter().map(|mart| ageless(mart.clone(), look.now)).collect();
    Ok(Answer::json(&json!({ "marts": marts }))?.like(&tag))
}

async fn listed(
    ask: &Ask,
    conn: &mut PgConnection,
    selector: Option<&Selector>,
) -> Result<(Look, Vec<MartStatus>), Problem> {
    let look = Look::at(ask, conn).await?;
    let mut marts = statuses(conn, &look).await?;
    due(ask, &mut marts);
    if let Some(selector) = selector {
        let (selected, _) = select(conn, &look, selector, &marts).await?;
        marts.retain(|mart| selected.contains(&mart.id));
    }
    Ok((look, marts))
}

/// How every mart is.
///
/// # Errors
/// What the server says.
pub(super) async fn statuses(conn: &mut PgConnection, look: &Look) -> Result<Vec<MartStatus>, Problem> {
    begin(conn, &look.desired).await?;
    let marts = observe::status(conn, &look.looked()).await?;
    observe::end(conn).await?;
    Ok(marts)
}

/// Who leads knows when they are really due, and says so in the registry a moment later: first runs are spread, failures wait, what
/// reads from others is asked for by them.
pub(super) fn due<'m>(ask: &Ask, marts: impl IntoIterator<Item = &'m mut MartStatus>) {
    let vitals = ask.state.vitals.borrow();
    for mart in marts {
        if !mart.suspended {
            mart.next_run = vitals.next.get(&mart.id).copied().or(mart.next_run);
        }
    }
}

/// The marts that a selector stands for, and what it says of tags that no mart has.
///
/// # Errors
/// 400 for an atom that nothing matches; what the server says.
pub(super) async fn select(
    conn: &mut PgConnection,
    look: &Look,
    selector: &Selector,
    marts: &[MartStatus],
) -> Result<(BTreeSet<QName>, Vec<String>), Problem> {
    let mut states = States::new();
    if selector.needs_states() {
        let waiting = Waiting::read(conn, &look.desired).await?;
        for mart in marts {
            let of = states.entry(mart.id.clone()).or_default();
            let changed = waiting.state(&mart.full_name);
            let all = [
                (mart.is_stale(), "stale"),
                (mart.has_failed(), "failed"),
                (waiting.drifted(&mart.full_name), "drifted"),
            ];
            of.extend(all.iter().filter(|(is, _)| *is).map(|(_, word)| (*word).to_owned()));
            of.extend(changed.map(str::to_owned));
        }
    }
    let nodes = observe::nodes(&look.desired, Some(&look.seen.actual), &states);
    let selected = selector.select(&nodes, &look.desired.project.schema).map_err(Problem::bad)?;
    Ok((selected, selector.unknown_tags(&nodes)))
}

/// `GET /api/v1/marts/{mart}`.
pub(super) async fn one(ask: &Ask) -> Result<Answer, Problem> {
    let mut session = ask.state.pool.session().await?;
    let done = looked_at(ask, &mut session).await;
    let (look, mart) = session.after(done).await?;
    let mart = told(&mart);
    Ok(Answer::json(&mart)?.like(&ageless(mart, look.now)))
}

async fn looked_at(ask: &Ask, conn: &mut PgConnection) -> Result<(Look, MartStatus), Problem> {
    let look = Look::at(ask, conn).await?;
    let name = look.find(ask.part("mart"))?;
    let marts = statuses(conn, &look).await?;
    let mut mart = marts.into_iter().find(|mart| mart.id == name);
    due(ask, &mut mart);
    Ok((look, mart.ok_or_else(|| Problem::missing(format!("{name} is gone")))?))
}

/// `GET /api/v1/marts/{mart}/stats`.
pub(super) async fn stats(ask: &Ask) -> Result<Answer, Problem> {
    let mut session = ask.state.pool.session().await?;
    let done = counted(ask, &mut session).await;
    let (look, mart) = session.after(done).await?;
    let mart = told(&mart);
    Ok(Answer::json(&mart)?.like(&ageless(mart, look.now)))
}

async fn counted(ask: &Ask, conn: &mut PgConnection) -> Result<(Look, MartStatus), Problem> {
    let look = Look::at(ask, conn).await?;
    let name = look.find(ask.part("mart"))?;
    begin_rows(conn, &look.desired).await?;
    let mut mart = observe::stats(conn, &look.looked(), &name).await?;
    observe::end(conn).await?;
    due(ask, [&mut mart]);
    Ok((look, mart))
}

/// `GET /api/v1/marts/{mart}/versions`.
pub(super) async fn versions(ask: &Ask) -> Result<Answer, Problem> {
    let mut session = ask.state.pool.session().await?;
    let done = async {
        let look = Look::at(ask, &mut session).await?;
        let name = look.find(ask.part("mart"))?;
        let row = look.seen.actual.recorded.get(&name);
        let row = row.ok_or_else(|| Problem::conflict(format!("{name} is not applied yet")))?;
        if row.versions.is_empty() {
            return Err(Problem::conflict(format!("{name} has no versions")));
        }
        begin(&mut session, &look.desired).await?;
        let versions = observe::versions(&mut session, &look.looked(), row).await?;
        observe::end(&mut session).await?;
        Ok(versions)
    }
    .await;
    let versions = session.after(done).await?;
    Ok(Answer::json(&versions)?.tagged(""))
}

/// `GET /api/v1/marts/{mart}/preview`.
pub(super) async fn preview(ask: &Ask) -> Result<Answer, Problem> {
    let limit = ask.query.whole("limit", (0, DEFAULT_LIMIT), 10)?;
    let limit = u32::try_from(limit).unwrap_or_default();
    let mut session = ask.state.pool.session().await?;
    let done = async {
        let look = Look::at(ask, &mut session).await?;
        let name = look.find(ask.part("mart"))?;
        let reader = look.desired.project.http.read_role.as_deref();
        begin_rows(&mut session, &look.desired).await?;
        let preview = observe::preview(&mut session, &look.looked(), &name, limit, reader).await?;
        observe::end(&mut session).await?;
        let run = look.seen.actual.recorded.get(&name).map(|row| row.changed_at);
        Ok((preview, run))
    }
    .await;
    let (preview, changed) = session.after(done).await?;
    Ok(Answer::json(&preview)?.tagged(&format!("{changed:?}")))
}

fn told(mart: &MartStatus) -> Value {
    // Our own types always serialise.
    serde_json::to_value(mart).unwrap_or_default()
}

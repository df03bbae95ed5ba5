//! `explain`: the plan of the refresh that would run now, the method and why.

use chrono::Utc;
use datamart::catalog::Relation;
use datamart::database::SqlError;
use datamart::observe::{self, ObserveError};
use datamart::refresh::{self, Choice, Item, Options, Part, choose, facts};
use datamart::state::QName;
use serde_json::json;
use sqlx::PgConnection;

use super::Exit;
use super::args::{Globals, NameArgs};
use super::context::{Context, Seen};
use super::error::{CommandError, Result};
use super::print::{self, Style};
use super::snapshot::snapshot;

/// Prints method, reason and the server's plan of the query.
pub async fn run(args: &NameArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "explain").await?;
    let seen = context.actual().await?;
    let name = context.find(&seen, &args.name)?;
    let declared = context.desired.marts.iter().find(|d| d.mart.name == name).map(|d| d.mart.clone());
    let recorded = seen.actual.recorded.get(&name);
    let unknown = || CommandError::input(format!("{name} is neither declared nor applied"));
    // A refresh runs what was applied; only what is new runs what is declared.
    let mut mart = recorded.map(|row| row.stored().mart).or(declared).ok_or_else(unknown)?;
    let live = seen.actual.stored(&name).filter(|_| recorded.is_some());
    let owner = live.map(|relation| relation.owner.clone()).or_else(|| mart.owner.clone());
    let owner = owner.filter(|owner| *owner != seen.actual.server.user);
    let options = Options::of(&context.desired.project, &seen.actual);
    let ((method, reason), explained) = snapshot(&mut context.conn, &context.desired, async |conn| {
        let (method, reason, part) = method(conn, &seen, &name, &options).await?;
        if let (Some(part), Some(live)) = (part, live) {
            mart.query = part.query(&mart, live);
        }
        let explained = observe::explain(conn, &mart, owner.as_deref()).await.map_err(|error| match error {
            ObserveError::Sql(error) => {
                let reads = recorded.iter().flat_map(|row| row.applied.reads.values()).map(|read| &read.name);
                ObserveError::Sql(error.of_one_of(reads))
            }
            error => error,
        })?;
        Ok(((method, reason), explained))
    })
    .await?;
    let mut foreseen = None;
    if let (Some("changes"), Some(recorded), Some(live)) = (method, recorded, live) {
        let item = Item::new(recorded, &seen.actual, Vec::new());
        let found = refresh::foresee(&mut context.conn, &item, live, &options, &seen.actual.server.user).await;
        foreseen = found.map_err(|error| CommandError::sql("cannot tell what changed", &error))?;
    }
    context.close().await?;
    if style.json() {
        let mut told = json!({
            "mart": name.to_string(),
            "method": method,
            "reason": reason,
            "query": mart.query,
            "plan": explained.json,
        });
        if let Some(now) = foreseen {
            told["now"] = json!(now);
        }
        print::json(&told);
    } else {
        let method = method.unwrap_or("none");
        let now = foreseen.map(|now| format!("now: {}{}\n", rows(&now.decision), now.reason)).unwrap_or_default();
        print::out(&format!("{name}\nmethod: {method} ({reason})\n{now}\n{}", explained.text));
    }
    Ok(Exit::Done)
}

/// What of the rows would be computed.
fn rows(decision: &serde_json::Value) -> &'static str {
    match decision["rung"].as_str() {
        Some("keys") => "some rows, ",
        Some("whole") => "all rows, ",
        _ => "",
    }
}

/// The method a refresh would take now, and why; of some of the rows: which.
async fn method(
    conn: &mut PgConnection,
    seen: &Seen,
    name: &QName,
    options: &Options,
) -> Result<(Option<&'static str>, String, Option<Part>)> {
    let actual = &seen.actual;
    let Some(recorded) = actual.recorded.get(name) else {
        return Ok((None, "not applied yet: `datamart apply` builds it".to_owned(), None));
    };
    let Some(live) = actual.stored(name) else {
        return Ok((None, "it is gone: `datamart apply` makes it again".to_owned(), None));
    };
    if recorded.makes_versions() {
        return Ok((Some("swap"), refresh::another_version(recorded), None));
    }
    let item = Item::new(recorded, actual, Vec::new());
    let unreadable = |error: SqlError| CommandError::sql("cannot read how new its rows are", &error);
    let found = facts(conn, &item, live, options, &actual.server.user, Utc::now()).await.map_err(unreadable)?;
    let chosen = choose(&item.recorded, live, &item.asked, &found);
    let told = |reason: &str| chosen.reason(reason);
    Ok(match &chosen.choice {
        Choice::Part(part, reason) => (Some(part.method.as_str()), told(reason), Some(part.clone())),
        Choice::Changes => {
            (Some("changes"), told("the rows whose key a change of a source affects, where that pays"), None)
        }
        Choice::Method(method, reason) => (Some(method.as_str()), told(reason), None),
        // Merging needs a key; whether it pays is known once the new rows are there.
        Choice::ByDifferences if !has_key(live) && refresh::is_small(live) => (Some("merge"), told("few rows"), None),
        Choice::ByDifferences if !has_key(live) => (Some("swap"), told("no key to merge by"), None),
        Choice::ByDifferences => (Some("merge"), told("or a swap, where many rows differ"), None),
        Choice::Nothing(reason) | Choice::Later(reason, _) | Choice::Impossible(reason) => (None, told(reason), None),
    })
}

/// A unique index whose columns are never null tells rows apart.
fn has_key(live: &Relation) -> bool {
    let not_null = |name: &String| live.columns.iter().any(|column| column.name == *name && column.not_null);
    let mut indexes = live.indexes.values();
    indexes.any(|i| i.primary || (i.unique && i.valid && !i.partial && !i.expressions && i.keys.iter().all(not_null)))
}

//! `explain`: the plan of the refresh that would run now, the method and why.

use datamart::catalog::Relation;
use datamart::observe;
use datamart::refresh::{self, Choice, choose};
use datamart::state::QName;
use serde_json::json;

use super::Exit;
use super::args::{Globals, NameArgs};
use super::context::{Context, Seen, snapshot};
use super::error::{CommandError, Result};
use super::print::{self, Style};

/// Prints method, reason and the server's plan of the query.
pub async fn run(args: &NameArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let mut context = Context::open(globals, style, "explain").await?;
    let seen = context.actual().await?;
    let name = context.find(&seen, &args.name)?;
    let (method, reason) = method(&seen, &name);
    let declared = context.desired.marts.iter().find(|d| d.mart.name == name).map(|d| d.mart.clone());
    let recorded = seen.actual.recorded.get(&name);
    let unknown = || CommandError::input(format!("{name} is neither declared nor applied"));
    // A refresh runs what was applied; only what is new runs what is declared.
    let mart = recorded.map(|row| row.stored().mart).or(declared).ok_or_else(unknown)?;
    let live = seen.actual.stored(&name).filter(|_| recorded.is_some());
    let owner = live.map(|relation| relation.owner.clone()).or_else(|| mart.owner.clone());
    let owner = owner.filter(|owner| *owner != seen.actual.server.user);
    let explained = snapshot(&mut context.conn, &context.desired, async |conn| {
        Ok(observe::explain(conn, &mart, owner.as_deref()).await?)
    })
    .await?;
    context.close().await?;
    if style.json() {
        print::json(&json!({
            "mart": name.to_string(),
            "method": method,
            "reason": reason,
            "query": mart.query,
            "plan": explained.json,
        }));
    } else {
        let method = method.unwrap_or("none");
        print::out(&format!("{name}\nmethod: {method} ({reason})\n\n{}", explained.text));
    }
    Ok(Exit::Done)
}

/// The method a refresh would take now, and why.
fn method(seen: &Seen, name: &QName) -> (Option<&'static str>, String) {
    let actual = &seen.actual;
    let (Some(recorded), Some(live)) = (actual.recorded.get(name), actual.stored(name)) else {
        return (None, "not applied yet: `datamart apply` builds it".to_owned());
    };
    if recorded.makes_versions() {
        return (Some("swap"), refresh::another_version(recorded));
    }
    match choose(&recorded.stored(), live, None) {
        Choice::Method(method, reason) => (Some(method.as_str()), reason),
        // Merging needs a key; whether it pays is known once the new rows are there.
        Choice::ByDifferences if !has_key(live) => (Some("swap"), "no key to merge by".to_owned()),
        Choice::ByDifferences => (Some("merge"), "or a swap, where many rows differ".to_owned()),
        Choice::Nothing(reason) | Choice::Impossible(reason) => (None, reason),
    }
}

/// A unique index whose columns are never null tells rows apart.
fn has_key(live: &Relation) -> bool {
    let not_null = |name: &String| live.columns.iter().any(|column| column.name == *name && column.not_null);
    let mut indexes = live.indexes.values();
    indexes.any(|i| i.primary || (i.unique && i.valid && !i.partial && !i.expressions && i.keys.iter().all(not_null)))
}

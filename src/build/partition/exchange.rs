//! Publishing partitions: the new ones take the places of the old ones, and the mart and all that depends on it stay.

use std::collections::{BTreeSet, HashMap};

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::bound::{self, BOUND, forget, say};
use super::differ::Changed;
use super::next::{NextPart, NextParts};
use crate::build::copy::{Built, close};
use crate::build::merge::{self, Merged};
use crate::build::run::{Tries, run};
use crate::build::session::{Frame, SessionState};
use crate::catalog::{Attached, Extra, ExtraKind, Relation};
use crate::database::SqlError;
use crate::plan::carry::{comment_on, comment_on_column, rights, stored_body};
use crate::sql::{forget_bound, log_as_whole, settle_index_names, settle_index_names_of};
use crate::state::{Kind, QName, next_name, quote_ident, quote_idents};

/// Why partitions cannot be exchanged: their rows are merged instead. `leaves` are the partitions there are.
pub fn obstacle(live: &Relation, leaves: &HashMap<QName, Relation>) -> Option<String> {
    let in_the_way = |kind: ExtraKind| {
        matches!(kind, ExtraKind::Referencing | ExtraKind::Publication | ExtraKind::Trigger | ExtraKind::Rule)
    };
    if let Some(extra) = live.extras.iter().find(|extra| in_the_way(extra.kind)) {
        return Some(format!("{} is on it", extra.label));
    }
    let mut found: Vec<String> = leaves
        .values()
        .filter_map(|leaf| {
            // That it has a parent is what makes it a partition; keys are the mart's own.
            let own = |kind: ExtraKind| !matches!(kind, ExtraKind::Stays | ExtraKind::Key | ExtraKind::Unique);
            // Who asks a partition itself is under its own, whatever the mart has.
            let guards =
                |kind: ExtraKind| matches!(kind, ExtraKind::Policy | ExtraKind::RowSecurity | ExtraKind::Label);
            let inherited = |extra: &Extra| !guards(extra.kind) && live.extras.iter().any(|e| is_same(e, extra));
            let passing = |extra: &Extra| extra.kind == ExtraKind::Check && extra.name == BOUND;
            let found = |extra: &&Extra| own(extra.kind) && !passing(extra) && !inherited(extra);
            if let Some(extra) = leaf.extras.iter().find(found) {
                return Some(format!("{} is on its partition {}", extra.label, leaf.name));
            }
            if leaf.indexes.len() != live.indexes.len() {
                return Some(format!("its partition {} has indexes of its own", leaf.name));
            }
            if leaf.owner != live.owner {
                return Some(format!("its partition {} is owned by {}", leaf.name, leaf.owner));
            }
            let dependent = leaf.dependents.first()?;
            Some(format!("the {} depends on its partition {}", dependent.label(), leaf.name))
        })
        .collect();
    found.sort();
    found.into_iter().next()
}

/// Whether two are alike, whatever their comments and owners are.
fn is_same(a: &Extra, b: &Extra) -> bool {
    (a.kind, &a.name, &a.head, &a.tail, &a.state) == (b.kind, &b.name, &b.head, &b.tail, &b.state)
}

/// Makes what was built complete and exchanges the partitions that changed, all in one short transaction.
///
/// `leaves` are the partitions there are.
///
/// # Errors
/// What PostgreSQL says; the old partitions serve on then, and what was built stays for a merge.
pub async fn exchange_parts(
    conn: &mut PgConnection,
    live: &Relation,
    next: &NextParts,
    (changed, leaves): (&Changed, &HashMap<QName, Relation>),
    frame: &Frame,
    publish_lock_timeout_ms: u64,
) -> Result<(), SqlError> {
    if changed.parts.is_empty() {
        return drop_parts(conn, next, frame).await;
    }
    let default = live.partitions.iter().find(|attached| attached.is_default());
    let default = default.filter(|attached| !changed.parts.iter().any(|part| part.name == attached.name));
    let mut made = complete(live, next);
    for part in &changed.parts {
        let condition = match (&part.live, &part.condition) {
            _ if part.bounded => None,
            (Some(attached), _) => bound::of(conn, attached.oid).await?,
            (None, condition) => condition.clone(),
        };
        made.extend(condition.map(|condition| bound::add(&part.next, &condition)));
        made.extend(leaves.get(&part.name).into_iter().flat_map(|leaf| words(leaf, &part.next)));
    }
    // What is built is analysed by itself: of the relation around it nobody will know.
    let parts: Vec<String> = changed.parts.iter().map(|part| part.next.to_string()).collect();
    let tidy = format!("VACUUM (ANALYZE) {}", parts.join(", "));
    // As the server prints names it means, whatever the mart's own search path is.
    let plain = Frame { settings: Vec::new(), ..frame.clone() };
    // The publication writes it with its own commit, before which nobody misses it.
    let mut unawaited = frame.clone();
    unawaited.settings.push(("synchronous_commit".to_owned(), "off".to_owned()));
    let mut session = SessionState::alone();
    let mut outcome = Ok(0);
    for (frame, sql) in made.iter().map(|sql| (frame, sql)).chain([(&unawaited, &tidy)]) {
        outcome = run(conn, &mut session, frame, sql).await;
        if outcome.is_err() {
            break;
        }
    }
    session.leave(conn).await?;
    outcome?;
    let brief = Frame { lock_timeout_ms: publish_lock_timeout_ms, ..plain.clone() };
    let waits = match default {
        Some(attached) if !is_empty(conn, attached, frame).await? => {
            if let Some(condition) = bound::of(conn, attached.oid).await? {
                say(conn, &attached.name, &condition, &plain, &brief).await?;
            }
            Some(attached)
        }
        _ => None,
    };
    let published = publish(conn, &publication(live, next, changed, waits), &brief).await;
    if let Some(default) = waits.filter(|_| published.is_err()) {
        forget(conn, &default.name, &brief).await;
    }
    published
}

/// Runs the statements of the publication in one transaction.
async fn publish(conn: &mut PgConnection, statements: &[String], brief: &Frame) -> Result<(), SqlError> {
    let mut tries = Tries::default();
    loop {
        let mut session = SessionState::in_transaction();
        // All of it is one message, its end, too: readers wait for the server alone.
        let (enter, statements) = (session.entering(brief), statements.join("\n;\n"));
        let sql = format!("BEGIN;{enter}{statements}\n;\n{}COMMIT", session.leaving());
        let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *conn).await else { return Ok(()) };
        // The connection may be gone; the server rolls back then by itself.
        let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *conn).await;
        let error = SqlError::from(error);
        if !tries.again(&error).await {
            return Err(error);
        }
    }
}

/// Keys and indexes as the mart has them, which its partitions get, too.
fn complete(live: &Relation, next: &NextParts) -> Vec<String> {
    let mut sql = Vec::new();
    for (name, is) in live.indexes.iter().filter(|(_, is)| is.valid) {
        let aside = quote_ident(&next_name(name));
        match is.primary {
            true => {
                let keys = quote_idents(&is.keys);
                sql.push(format!("ALTER TABLE {} ADD CONSTRAINT {aside} PRIMARY KEY ({keys})", next.name));
            }
            false => {
                let unique = if is.unique { "UNIQUE " } else { "" };
                sql.push(format!("CREATE {unique}INDEX {aside} ON {} {}", next.name, stored_body(is)));
            }
        }
    }
    sql
}

/// What somebody said of a partition, and who may do what with some of its columns: that of the one that takes its place, too.
fn words(leaf: &Relation, next: &QName) -> Vec<String> {
    let comment = leaf.comment.as_ref().map(|comment| comment_on(Kind::Table, next, Some(comment)));
    let said = leaf.columns.iter().filter(|column| column.comment.is_some());
    let columns = said.map(|column| comment_on_column(next, &column.name, column.comment.as_ref()));
    let of_columns: Vec<_> = leaf.grants.iter().filter(|grant| !grant.columns.is_empty()).cloned().collect();
    // The server has each privilege by its own word, so that no version matters.
    comment.into_iter().chain(columns).chain(rights(next, std::iter::empty(), &of_columns, 0)).collect()
}

async fn is_empty(conn: &mut PgConnection, attached: &Attached, frame: &Frame) -> Result<bool, SqlError> {
    let mut session = SessionState::alone();
    session.enter(conn, frame).await?;
    let sql = format!("SELECT NOT EXISTS (SELECT FROM {})", attached.name);
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut *conn).await;
    session.leave(conn).await?;
    Ok(row?.try_get(0)?)
}

/// The statements of the publication. `waits` is the default that stays: it steps aside, because a partition that comes
/// beside a default makes PostgreSQL read that.
fn publication(live: &Relation, next: &NextParts, changed: &Changed, waits: Option<&Attached>) -> Vec<String> {
    let mart = &live.name;
    let mut sql: Vec<String> = Vec::new();
    for part in &changed.parts {
        sql.push(format!("ALTER TABLE {} DETACH PARTITION {}", next.name, part.next));
    }
    sql.push(format!("DROP TABLE {}", next.name));
    sql.extend(waits.map(|default| format!("ALTER TABLE {mart} DETACH PARTITION {}", default.name)));
    for attached in changed.parts.iter().filter_map(|part| part.live.as_ref()) {
        // One that somebody has detached meanwhile is theirs: detaching it fails.
        sql.push(format!("ALTER TABLE {mart} DETACH PARTITION {}", attached.name));
        sql.push(format!("DROP TABLE {}", attached.name));
    }
    let (defaults, others): (Vec<&NextPart>, Vec<_>) = changed.parts.iter().partition(|part| part.is_default());
    for part in others.into_iter().chain(defaults) {
        let name = &part.name;
        sql.push(format!("ALTER TABLE {} RENAME TO {}", part.next, quote_ident(&name.name)));
        sql.push(format!("ALTER TABLE {mart} ATTACH PARTITION {name} {}", part.bound));
        sql.push(forget_bound(name));
    }
    if let Some(default) = waits {
        sql.push(format!("ALTER TABLE {mart} ATTACH PARTITION {} DEFAULT", default.name));
        sql.push(forget_bound(&default.name));
    }
    // While readers wait nobody looks at the partitions that stay.
    let names: Vec<&QName> = changed.parts.iter().map(|part| &part.name).collect();
    sql.push(settle_index_names_of(&names));
    sql
}

/// Writes only the rows that differ into the partitions that changed, in one transaction. `leaves` are those there are.
///
/// # Errors
/// What PostgreSQL says; the old rows stay then.
pub async fn merge_parts(
    conn: &mut PgConnection,
    live: &Relation,
    next: &NextParts,
    changed: &Changed,
    leaves: &HashMap<QName, Relation>,
    frame: &Frame,
) -> Result<Merged, SqlError> {
    let mut session = SessionState::in_transaction();
    let ours = Frame { role: None, settings: Vec::new(), ..frame.clone() };
    sqlx::raw_sql("BEGIN").execute(&mut *conn).await?;
    let outcome = async {
        let mut merged = Merged::default();
        for part in &changed.parts {
            match leaves.get(&part.name) {
                Some(leaf) => {
                    let built = Built { name: part.next.clone(), rows: 0, snapshot: next.snapshot.clone() };
                    let of_leaf = merge::write(conn, &mut session, leaf, &built, frame).await?;
                    merged.inserted += of_leaf.inserted;
                    merged.updated += of_leaf.updated;
                    merged.deleted += of_leaf.deleted;
                }
                None => {
                    let name = &part.name;
                    for sql in [
                        format!("ALTER TABLE {} DETACH PARTITION {}", next.name, part.next),
                        format!("ALTER TABLE {} RENAME TO {}", part.next, quote_ident(&name.name)),
                        format!("ALTER TABLE {} ATTACH PARTITION {name} {}", live.name, part.bound),
                        forget_bound(name),
                    ] {
                        run(conn, &mut session, frame, &sql).await?;
                    }
                    run(conn, &mut session, &ours, &log_as_whole(&live.name, name)).await?;
                }
            }
        }
        run(conn, &mut session, frame, &format!("DROP TABLE {}", next.name)).await?;
        run(conn, &mut session, frame, &settle_index_names(&live.name)).await?;
        session.leave(conn).await?;
        Ok(merged)
    }
    .await;
    close(conn, outcome).await
}

/// Removes what was built.
///
/// # Errors
/// What PostgreSQL says.
pub async fn drop_parts(conn: &mut PgConnection, next: &NextParts, frame: &Frame) -> Result<(), SqlError> {
    let mut session = SessionState::alone();
    let dropped = run(conn, &mut session, frame, &format!("DROP TABLE {}", next.name)).await;
    session.leave(conn).await?;
    dropped.map(|_| ())
}

impl Changed {
    /// The names of the partitions that are there and changed.
    pub fn names(&self) -> BTreeSet<QName> {
        self.parts.iter().filter_map(|part| part.live.as_ref()).map(|attached| attached.name.clone()).collect()
    }
}

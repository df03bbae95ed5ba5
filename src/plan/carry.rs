//! What hangs on a relation, made again on the one that takes its place. Whoever exchanges relations, an apply or a refresh, takes the
//! statements from here and runs them when their time comes.

use super::grants;
use super::lost::{Place, is_lost};
use crate::catalog::{Extra, ExtraKind, Index};
use crate::sql::index_body;
use crate::state::{GrantDecl, Kind, QName, next_name as next, quote_ident, quote_literal, quote_role};

/// One statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    /// Its text.
    pub sql: String,
    /// It touches what others own, too: the connection's own role runs it, which has to belong to them.
    pub ours: bool,
}

fn owners(sql: String) -> Made {
    Made { sql, ours: false }
}

fn ours(sql: String) -> Made {
    Made { sql, ours: true }
}

/// What is made while the relation stands aside and holds its rows: nobody waits for it, and triggers do not see the rows come in.
pub(crate) fn aside(place: &Place<'_>) -> Vec<Made> {
    let mut made = Vec::new();
    let rel = &place.aside;
    let alter = place.kind.sql();
    let extras = place.live.extras.iter().filter(|extra| !is_lost(place, extra));
    for extra in extras {
        let name = quote_ident(&extra.name);
        match extra.kind {
            ExtraKind::Column => made.push(owners(format!("ALTER {alter} {rel} ALTER COLUMN {name} {}", extra.tail))),
            ExtraKind::Default => {
                made.push(owners(format!("ALTER {alter} {rel} ALTER COLUMN {name} SET DEFAULT {}", extra.tail)));
            }
            ExtraKind::Check => made.push(owners(format!("ALTER TABLE {rel} ADD CONSTRAINT {name} {}", extra.head))),
            ExtraKind::Unique => made.extend(unique(place, extra)),
            ExtraKind::Exclusion => {
                let aside = quote_ident(&next(&extra.name));
                made.push(owners(format!("ALTER TABLE {rel} ADD CONSTRAINT {aside} {}", extra.head)));
                made.extend(tablespace(place, extra));
            }
            ExtraKind::Statistics => {
                let Some(at) = &extra.other else { continue };
                let aside = at.sibling(next(&at.name));
                made.push(owners(format!("CREATE STATISTICS {aside} {}ON {} FROM {rel}", extra.head, extra.tail)));
                if !extra.state.is_empty() {
                    made.push(owners(format!("ALTER STATISTICS {aside} SET STATISTICS {}", extra.state)));
                }
                made.extend(comment(extra, &format!("STATISTICS {aside}")));
            }
            ExtraKind::ReplicaIdentity if extra.state == "i" => {
                let index = place.indexes.get(&extra.name).map(|index| quote_ident(&next(index)));
                made.push(owners(format!("{}{rel}{}{}", extra.head, extra.tail, index.unwrap_or_default())));
            }
            ExtraKind::ReplicaIdentity => made.push(owners(format!("{}{rel}{}", extra.head, extra.tail))),
            ExtraKind::IndexStatistics => {
                let Some(index) = place.indexes.get(&extra.name) else { continue };
                let index = place.aside.sibling(next(index));
                let (number, target) = (&extra.state, &extra.tail);
                made.push(owners(format!("ALTER INDEX {index} ALTER COLUMN {number} SET STATISTICS {target}")));
            }
            ExtraKind::Trigger => {
                made.push(owners(format!("{}{rel}{}", extra.head, extra.tail)));
                made.extend(enabled(extra, rel, "TRIGGER"));
                made.extend(comment(extra, &format!("TRIGGER {name} ON {rel}")));
            }
            ExtraKind::Label => {
                let on = match extra.columns.first() {
                    Some(column) => format!("COLUMN {rel}.{}", quote_ident(column)),
                    None => format!("{alter} {rel}"),
                };
                made.push(ours(format!("SECURITY LABEL FOR {name} ON {on} IS {}", quote_literal(&extra.tail))));
            }
            _ => {}
        }
        let constraint = match extra.kind {
            ExtraKind::Check => Some(extra.name.clone()),
            ExtraKind::Unique | ExtraKind::Exclusion => Some(next(&extra.name)),
            ExtraKind::Key => place.indexes.get(&extra.name).map(|index| next(index)),
            _ => None,
        };
        made.extend(
            constraint
                .and_then(|constraint| comment(extra, &format!("CONSTRAINT {} ON {rel}", quote_ident(&constraint)))),
        );
    }
    made.extend(of_columns(place));
    made.extend(clustered(place));
    made
}

/// A constraint over an index that was built first.
fn unique(place: &Place<'_>, extra: &Extra) -> Vec<Made> {
    let aside = quote_ident(&next(&extra.name));
    let rel = &place.aside;
    let mut made = Vec::new();
    if let Some(index) = place.live.indexes.get(&extra.name).filter(|_| !place.declared.contains(&extra.name)) {
        made.push(owners(format!("CREATE UNIQUE INDEX {aside} ON {rel} {}", stored_body(index))));
    }
    made.push(owners(format!("ALTER TABLE {rel} ADD CONSTRAINT {aside} UNIQUE USING INDEX {aside}{}", extra.tail)));
    made
}

fn tablespace(place: &Place<'_>, extra: &Extra) -> Option<Made> {
    let tablespace = place.live.indexes.get(&extra.name)?.tablespace.as_ref()?;
    let index = place.aside.sibling(next(&extra.name));
    Some(owners(format!("ALTER INDEX {index} SET TABLESPACE {}", quote_ident(tablespace))))
}

/// What of an index's definition does not name it, with its tablespace.
pub(crate) fn stored_body(index: &Index) -> String {
    let body = index_body(&index.definition);
    // TABLESPACE stands before WHERE, which `pg_get_indexdef` prints last.
    match (&index.tablespace, body.rfind(" WHERE ").filter(|_| index.partial)) {
        (None, _) => body.to_owned(),
        (Some(t), Some(at)) => format!("{} TABLESPACE {}{}", &body[..at], quote_ident(t), &body[at..]),
        (Some(t), None) => format!("{body} TABLESPACE {}", quote_ident(t)),
    }
}

fn of_columns(place: &Place<'_>) -> Vec<Made> {
    if place.kind == Kind::View {
        return Vec::new();
    }
    let stays = |name: &String| place.columns.iter().any(|column| column.name == *name);
    let targets = place.live.columns.iter().filter(|was| stays(&was.name)).filter_map(|was| {
        let column = quote_ident(&was.name);
        let (alter, rel) = (place.kind.sql(), &place.aside);
        Some(owners(format!("ALTER {alter} {rel} ALTER COLUMN {column} SET STATISTICS {}", was.statistics?)))
    });
    targets.collect()
}

fn clustered(place: &Place<'_>) -> Option<Made> {
    let (index, _) = place.live.indexes.iter().find(|(_, index)| index.clustered)?;
    let index = place.indexes.get(index)?;
    Some(owners(format!("ALTER {} {} CLUSTER ON {}", place.kind.sql(), place.aside, quote_ident(&next(index)))))
}

/// Enabled other than a new one is.
fn enabled(extra: &Extra, rel: &QName, what: &str) -> Option<Made> {
    let how = match extra.state.as_str() {
        "D" => "DISABLE",
        "R" => "ENABLE REPLICA",
        "A" => "ENABLE ALWAYS",
        _ => return None,
    };
    Some(owners(format!("ALTER TABLE {rel} {how} {what} {}", quote_ident(&extra.name))))
}

fn comment(extra: &Extra, on: &str) -> Option<Made> {
    let comment = extra.comment.as_ref()?;
    Some(owners(format!("COMMENT ON {on} IS {}", quote_literal(comment))))
}

/// The foreign keys of the relation under `name`: how each is added without a scan, and how it is validated where it was valid.
pub(crate) fn foreign_keys(place: &Place<'_>, name: &QName) -> Vec<(Vec<Made>, Option<Made>)> {
    let keys = place.live.extras.iter().filter(|extra| extra.kind == ExtraKind::ForeignKey && !is_lost(place, extra));
    keys.map(|extra| {
        let constraint = quote_ident(&extra.name);
        let valid = extra.state.contains("valid");
        let refers = if extra.state.contains("self") { name.to_string() } else { String::new() };
        let later = if valid { " NOT VALID" } else { "" };
        let add = format!("ALTER TABLE {name} ADD CONSTRAINT {constraint} {}{refers}{}{later}", extra.head, extra.tail);
        let comment = comment(extra, &format!("CONSTRAINT {constraint} ON {name}"));
        let validate = valid.then(|| owners(format!("ALTER TABLE {name} VALIDATE CONSTRAINT {constraint}")));
        (std::iter::once(owners(add)).chain(comment).collect(), validate)
    })
    .collect()
}

/// What is moved in the publication, before the old relation goes. A publication takes the new table before it loses the old one.
pub(crate) fn before(place: &Place<'_>) -> Vec<Made> {
    let rel = &place.aside;
    let kept =
        |kind: ExtraKind| place.live.extras.iter().filter(move |extra| extra.kind == kind && !is_lost(place, extra));
    let moved = |extra: &Extra| format!("{}{rel}{}", extra.head, extra.tail);
    let sequences = kept(ExtraKind::Sequence).map(|extra| owners(moved(extra)));
    let published = kept(ExtraKind::Publication).map(|extra| ours(moved(extra)));
    // Those that are lost go as well: the old relation could not.
    let referencing = place.referencing().filter_map(|extra| {
        Some(ours(format!("ALTER TABLE {} DROP CONSTRAINT {}", extra.other.as_ref()?, quote_ident(&extra.name))))
    });
    sequences.chain(published).chain(referencing).collect()
}

/// What needs the relation's own name, in the publication: policies and rules may read the relation by it.
pub(crate) fn after(place: &Place<'_>) -> Vec<Made> {
    let rel = place.name;
    let mut made = Vec::new();
    let extras = place.live.extras.iter().filter(|extra| !is_lost(place, extra));
    for extra in extras.clone() {
        let name = quote_ident(&extra.name);
        match extra.kind {
            ExtraKind::Policy | ExtraKind::RowSecurity => {
                made.push(owners(format!("{}{rel}{}", extra.head, extra.tail)));
                made.extend(comment(extra, &format!("POLICY {name} ON {rel}")));
            }
            ExtraKind::Rule => {
                made.push(owners(format!("{}{rel}{}", extra.head, extra.tail)));
                made.extend(enabled(extra, rel, "RULE"));
                made.extend(comment(extra, &format!("RULE {name} ON {rel}")));
            }
            ExtraKind::Unique | ExtraKind::Exclusion if !place.declared.contains(&extra.name) => {
                let aside = rel.sibling(next(&extra.name));
                made.push(owners(format!("ALTER INDEX {aside} RENAME TO {name}")));
            }
            ExtraKind::Statistics => {
                let Some(at) = &extra.other else { continue };
                let aside = at.sibling(next(&at.name));
                made.push(owners(format!("ALTER STATISTICS {aside} RENAME TO {name}")));
                if let Some(owner) = &extra.owner {
                    made.push(ours(format!("ALTER STATISTICS {at} OWNER TO {}", quote_ident(owner))));
                }
            }
            _ => {}
        }
    }
    for extra in place.referencing().filter(|extra| !is_lost(place, extra)) {
        let Some(child) = &extra.other else { continue };
        let name = quote_ident(&extra.name);
        // PostgreSQL validates those of partitioned tables at once.
        let later = if extra.state == "valid" { " NOT VALID" } else { "" };
        made.push(ours(format!("ALTER TABLE {child} ADD CONSTRAINT {name} {}{rel}{}{later}", extra.head, extra.tail)));
        let on = format!("CONSTRAINT {name} ON {child}");
        made.extend(comment(extra, &on).map(|made| Made { ours: true, ..made }));
    }
    // Last: with fewer rights its owner could not do all that.
    for extra in extras.filter(|extra| extra.kind == ExtraKind::OwnerRights) {
        let to = if extra.head == "GRANT" { "TO" } else { "FROM" };
        made.push(owners(format!("{} {} ON {rel} {to} {}", extra.head, extra.tail, quote_role(&place.owner))));
    }
    made
}

/// What comes after the publication, each alone: rows of others are looked through beside readers and writers.
pub(crate) fn last(place: &Place<'_>) -> Vec<Made> {
    let valid = place.referencing().filter(|extra| extra.state == "valid" && !is_lost(place, extra));
    let validate = valid.filter_map(|extra| {
        Some(ours(format!("ALTER TABLE {} VALIDATE CONSTRAINT {}", extra.other.as_ref()?, quote_ident(&extra.name))))
    });
    validate.collect()
}

/// `COMMENT ON` a relation.
pub(crate) fn comment_on(kind: Kind, name: &QName, comment: Option<&String>) -> String {
    let text = comment.map_or_else(|| "NULL".to_owned(), |c| quote_literal(c));
    format!("COMMENT ON {} {name} IS {text}", kind.sql())
}

/// `COMMENT ON COLUMN`.
pub(crate) fn comment_on_column(name: &QName, column: &str, comment: Option<&String>) -> String {
    let text = comment.map_or_else(|| "NULL".to_owned(), |c| quote_literal(c));
    format!("COMMENT ON COLUMN {name}.{} IS {text}", quote_ident(column))
}

/// Exact grants on a new relation. What default privileges gave `roles` is revoked again.
pub(crate) fn rights<'a>(
    name: &QName,
    roles: impl Iterator<Item = &'a String>,
    wanted: &[GrantDecl],
    major: i32,
) -> Vec<String> {
    let mut sql: Vec<String> = roles.map(|role| format!("REVOKE ALL ON {name} FROM {}", quote_role(role))).collect();
    sql.dedup();
    for (_, _, _, fix) in grants::differences(wanted, &[], major) {
        sql.extend(grants::statements(&fix, name));
    }
    sql
}

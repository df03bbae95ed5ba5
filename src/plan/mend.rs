//! How one difference is mended on the live relation, without keeping readers waiting.

use super::Undo;
use super::aspect::{Fix, Mend};
use super::carry::{comment_on, comment_on_column};
use super::grants::{self, GrantFix};
use super::partitions;
use super::statement::{next, option_name};
use super::target::Target;
use crate::catalog::{Actual, Relation};
use crate::sql::{create_index, option_value, settle_index_names};
use crate::state::{QName, derived_name, quote_ident, quote_idents, quote_literal};

/// How a fix is made on the live relation `mart.name`.
pub(crate) fn mend(target: &Target<'_>, actual: &Actual, fix: &Fix) -> Vec<Mend> {
    use Mend::{After, AsOurselves, Briefly, InTransaction, Last};
    let mart = target.mart;
    let name = &mart.name;
    let alter = mart.kind.sql();
    let index = |index: &str| QName::new(&name.schema, index);
    let declared = |wanted: &str| mart.indexes.iter().find(|i| i.name == wanted);
    let divided = mart.partition.is_some();
    let parts = || target.live.into_iter().filter(|_| divided).flat_map(|live| &live.partitions).map(|part| &part.name);
    match fix {
        Fix::Rebuild | Fix::Definition => Vec::new(),
        Fix::CreatePartition { .. }
        | Fix::RenamePartition { .. }
        | Fix::DetachPartition { .. }
        | Fix::DropPartition(_)
        | Fix::RevokeOnPartitions { .. } => partitions::mend(target, actual, fix),
        Fix::CreateIndex(wanted) if divided => partitions::index(target, wanted, wanted),
        Fix::CreateIndex(wanted) => declared(wanted)
            .map(|decl| concurrently(target, wanted, create_index(decl, name, wanted, true)))
            .unwrap_or_default(),
        Fix::ReplaceIndex(wanted) => {
            declared(wanted)
                .map(|decl| {
                    let aside = next(wanted);
                    let mut mends = match divided {
                        true => partitions::index(target, wanted, &aside),
                        false => concurrently(target, &aside, create_index(decl, name, &aside, true)),
                    };
                    let was = target.live.and_then(|live| live.indexes.get(wanted)?.comment.as_ref());
                    mends.extend(was.map(|comment| {
                        After(format!("COMMENT ON INDEX {} IS {}", index(&aside), quote_literal(comment)))
                    }));
                    mends.push(After(format!("DROP INDEX {}", index(wanted))));
                    mends.push(After(format!("ALTER INDEX {} RENAME TO {}", index(&aside), quote_ident(wanted))));
                    mends.extend(divided.then(|| After(settle_index_names(name))));
                    mends
                })
                .unwrap_or_default()
        }
        Fix::DropIndex(old) if divided => vec![After(format!("DROP INDEX {}", index(old)))],
        // After those that are new are there.
        Fix::DropIndex(old) => vec![Last(format!("DROP INDEX CONCURRENTLY {}", index(old)))],
        // Where the mart is renamed; see `renaming.rs`.
        Fix::RenameIndex { .. } => Vec::new(),
        Fix::DropConstraint(constraint) => vec![Briefly(drop_constraint(name, constraint))],
        Fix::PrimaryKey { old } => primary_key(target, old.as_ref()),
        Fix::SetNotNull(column) => set_not_null(target, column),
        Fix::DropNotNull(column) => {
            let sql = format!("ALTER TABLE {name} ALTER COLUMN {} DROP NOT NULL", quote_ident(column));
            // A key that is replaced goes after its successor is built.
            let replaced = !mart.primary_key.is_empty()
                && target.live.and_then(Relation::primary_key).is_some_and(|(_, key)| key.keys.contains(column));
            vec![if replaced { After(sql) } else { Briefly(sql) }]
        }
        Fix::Owner(owner) => {
            let change = |name: &QName| AsOurselves(format!("ALTER {alter} {name} OWNER TO {}", quote_ident(owner)));
            [name].into_iter().chain(parts()).map(change).collect()
        }
        Fix::Comment(comment) => vec![InTransaction(comment_on(mart.kind, name, comment.as_ref()))],
        Fix::ColumnComment(column, comment) => {
            vec![InTransaction(comment_on_column(name, column, comment.as_ref()))]
        }
        Fix::SetOption(key, value) => {
            let (key, value) = (option_name(key), option_value(value));
            let set = |name: &QName| Briefly(format!("ALTER {alter} {name} SET ({key} = {value})"));
            if divided { parts().map(set).collect() } else { vec![set(name)] }
        }
        Fix::ResetOption(key) => {
            let reset = |name: &QName| Briefly(format!("ALTER {alter} {name} RESET ({})", option_name(key)));
            if divided { parts().map(reset).collect() } else { vec![reset(name)] }
        }
        Fix::Grant(fix) => grant(fix, name),
    }
}

fn grant(fix: &GrantFix, name: &QName) -> Vec<Mend> {
    grants::statements(fix, name).into_iter().map(Mend::InTransaction).collect()
}

/// NOT NULL without a scan under the exclusive lock: a CHECK is validated beside readers and writers first.
/// <https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES>
fn set_not_null(target: &Target<'_>, column: &str) -> Vec<Mend> {
    let name = &target.mart.name;
    let live = target.live.and_then(|live| live.columns.iter().find(|c| c.name == column));
    if live.is_some_and(|c| c.not_null) {
        return Vec::new();
    }
    let check = quote_ident(&derived_name(column, "__not_null"));
    let column = quote_ident(column);
    vec![
        Mend::Briefly(format!("ALTER TABLE {name} DROP CONSTRAINT IF EXISTS {check}")),
        Mend::Briefly(format!("ALTER TABLE {name} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID")),
        // Left there it would refuse rows that the mart may have.
        Mend::Undoable(
            format!("ALTER TABLE {name} VALIDATE CONSTRAINT {check}"),
            Undo { sql: format!("ALTER TABLE {name} DROP CONSTRAINT IF EXISTS {check}"), failed: false },
        ),
        Mend::After(format!("ALTER TABLE {name} ALTER COLUMN {column} SET NOT NULL")),
        Mend::After(format!("ALTER TABLE {name} DROP CONSTRAINT {check}")),
    ]
}

/// CREATE INDEX CONCURRENTLY; what an interrupted one left under that name goes first. Even one that is not valid refuses rows.
fn concurrently(target: &Target<'_>, index: &str, sql: String) -> Vec<Mend> {
    let left = target.live.is_some_and(|live| live.indexes.contains_key(index));
    let at = target.mart.name.sibling(index);
    let first = left.then(|| Mend::Alone(format!("DROP INDEX CONCURRENTLY {at}")));
    let undo = Undo { sql: format!("DROP INDEX IF EXISTS {at}"), failed: false };
    first.into_iter().chain([Mend::Undoable(sql, undo)]).collect()
}

fn drop_constraint(name: &QName, constraint: &str) -> String {
    format!("ALTER TABLE {name} DROP CONSTRAINT {}", quote_ident(constraint))
}

/// A key is built beside the old one, and takes its place and name.
/// <https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT-USING-INDEX>
fn primary_key(target: &Target<'_>, old: Option<&String>) -> Vec<Mend> {
    let (name, key) = (&target.mart.name, &target.mart.primary_key);
    let drop = old.map(|old| drop_constraint(name, old));
    if key.is_empty() {
        return drop.into_iter().map(Mend::Briefly).collect();
    }
    let constraint = target.primary_key_name();
    let aside = next(&constraint);
    let mut mends: Vec<Mend> = key.iter().flat_map(|column| set_not_null(target, column)).collect();
    let create = format!("CREATE UNIQUE INDEX CONCURRENTLY {} ON {name} ({})", quote_ident(&aside), quote_idents(key));
    mends.extend(concurrently(target, &aside, create));
    mends.extend(drop.map(Mend::After));
    mends.push(Mend::After(format!(
        "ALTER TABLE {name} ADD CONSTRAINT {} PRIMARY KEY USING INDEX {}",
        quote_ident(&constraint),
        quote_ident(&aside)
    )));
    mends
}

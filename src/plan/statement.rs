//! The text of the statements a plan is made of.

use super::difference::Fix;
use super::grants::{self, GrantFix};
use super::target::Target;
use crate::catalog::{Actual, Relation};
use crate::sql::{create_index, index_body, option_value};
use crate::state::{
    GrantDecl, Kind, Mart, QName, derived_name, quote_ident, quote_idents, quote_literal, quote_role,
};

/// The suffix of what is built aside.
pub(crate) const NEXT: &str = "__next";

/// The name something has while it is built aside.
pub(crate) fn next(name: &str) -> String {
    derived_name(name, NEXT)
}

/// `CREATE …` of the relation itself, under `name`, from `query`.
pub(crate) fn create(mart: &Mart, name: &QName, query: &str) -> String {
    let options = with(&mart.with);
    let tablespace = match &mart.tablespace {
        Some(tablespace) => format!("\nTABLESPACE {}", quote_ident(tablespace)),
        None => String::new(),
    };
    format!("CREATE {} {name}{options}{tablespace} AS\n{}", mart.kind.sql(), query.trim())
}

/// `CREATE OR REPLACE VIEW` in place.
pub(crate) fn replace_view(mart: &Mart, query: &str) -> String {
    format!("CREATE OR REPLACE VIEW {}{} AS\n{}", mart.name, with(&mart.with), query.trim())
}

fn with(options: &std::collections::BTreeMap<String, String>) -> String {
    if options.is_empty() {
        return String::new();
    }
    let options: Vec<String> = options
        .iter()
        .map(|(key, value)| format!("{} = {}", option_name(key), option_value(value)))
        .collect();
    format!("\nWITH ({})", options.join(", "))
}

/// `toast.autovacuum_enabled` is two names.
fn option_name(key: &str) -> String {
    key.split('.').map(quote_ident).collect::<Vec<_>>().join(".")
}

/// What makes a new relation complete: keys, indexes, comments, grants, statistics.
/// `live` is the relation whose place it takes.
pub(crate) fn complete(
    target: &Target<'_>,
    name: &QName,
    live: Option<&Relation>,
    actual: &Actual,
    role: Option<&str>,
) -> Vec<String> {
    let mart = target.mart;
    let aside = *name != mart.name;
    let index_name = |index: &str| if aside { next(index) } else { index.to_owned() };
    let mut sql = Vec::new();
    if mart.kind == Kind::Table {
        if !mart.primary_key.is_empty() {
            sql.push(format!(
                "ALTER TABLE {name} ADD CONSTRAINT {} PRIMARY KEY ({})",
                quote_ident(&index_name(&target.primary_key_name())),
                quote_idents(&mart.primary_key)
            ));
        }
        for column in target.not_null() {
            if !mart.primary_key.iter().any(|key| key == column) {
                sql.push(format!("ALTER TABLE {name} ALTER COLUMN {} SET NOT NULL", quote_ident(column)));
            }
        }
    }
    for index in &mart.indexes {
        sql.push(create_index(index, name, &index_name(&index.name), false));
    }
    for (index, is) in carried_indexes(target, live) {
        sql.push(format!(
            "CREATE {}INDEX {} ON {name} {}",
            if is.unique { "UNIQUE " } else { "" },
            quote_ident(&index_name(index)),
            index_body(&is.definition)
        ));
    }
    sql.extend(comments(target, name, live));
    sql.extend(grants_on_new(target, name, live, actual, role));
    if mart.kind != Kind::View {
        sql.push(format!("ANALYZE {name}"));
    }
    sql
}

/// Indexes that nobody declared and that go along with a relation that is exchanged.
pub(crate) fn carried_indexes<'a>(
    target: &'a Target<'_>,
    live: Option<&'a Relation>,
) -> Vec<(&'a String, &'a crate::catalog::Index)> {
    let Some(live) = live.filter(|live| live.kind.is(target.mart.kind)) else {
        return Vec::new();
    };
    let applied = target.recorded.map(|r| &r.applied.indexes);
    live.indexes
        .iter()
        .filter(|(name, index)| {
            let declared = target.indexes.contains_key(*name);
            let was_ours = applied.is_some_and(|applied| applied.contains_key(*name));
            let known = index.keys.iter().all(|key| target.columns.iter().any(|c| c.name == *key));
            index.valid && !index.primary && index.constraint.is_none() && !declared && !was_ours && known
        })
        .collect()
}

fn comments(target: &Target<'_>, name: &QName, live: Option<&Relation>) -> Vec<String> {
    let mart = target.mart;
    let comment = mart.description.clone().or_else(|| live?.comment.clone());
    let mut sql = Vec::new();
    if let Some(comment) = comment {
        sql.push(comment_on(mart.kind, name, Some(&comment)));
    }
    for column in &target.columns {
        let declared = mart.columns.get(&column.name).and_then(|c| c.description.clone());
        let kept = || {
            let was = live?.columns.iter().find(|c| c.name == column.name)?;
            was.comment.clone()
        };
        if let Some(comment) = declared.or_else(kept) {
            sql.push(comment_on_column(name, &column.name, Some(&comment)));
        }
    }
    sql
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

/// Exact grants on a new relation: what default privileges add is revoked again.
fn grants_on_new(
    target: &Target<'_>,
    name: &QName,
    live: Option<&Relation>,
    actual: &Actual,
    role: Option<&str>,
) -> Vec<String> {
    let wanted: &[GrantDecl] = match (&target.mart.grants, live) {
        (Some(declared), _) => declared,
        (None, Some(live)) => &live.grants,
        (None, None) => return Vec::new(),
    };
    let creator = role.unwrap_or(&actual.server.user);
    let mut sql: Vec<String> = actual
        .default_acls
        .iter()
        .filter(|acl| acl.owner == creator)
        .filter(|acl| acl.schema.as_ref().is_none_or(|schema| *schema == name.schema))
        .map(|acl| format!("REVOKE ALL ON {name} FROM {}", quote_role(&acl.role)))
        .collect();
    sql.dedup();
    for (_, _, _, fix) in grants::differences(wanted, &[], actual.server.major()) {
        sql.extend(grants::statements(&fix, name));
    }
    sql
}

/// Statements of one fix on a live relation. `Alone` ones take no part in a transaction.
pub(crate) enum Mend {
    InTransaction(String),
    /// As the connection's own role: it must belong to both owners.
    AsOurselves(String),
    Alone(String),
    /// In a transaction after those alone.
    After(String),
}

/// How a fix is made on the live relation `mart.name`.
pub(crate) fn mend(target: &Target<'_>, fix: &Fix) -> Vec<Mend> {
    use Mend::{After, Alone, AsOurselves, InTransaction};
    let mart = target.mart;
    let name = &mart.name;
    let alter = mart.kind.sql();
    let index = |index: &str| QName::new(&name.schema, index);
    let declared = |wanted: &str| mart.indexes.iter().find(|i| i.name == wanted);
    match fix {
        Fix::Rebuild | Fix::Definition => Vec::new(),
        Fix::CreateIndex(wanted) => declared(wanted)
            .map(|decl| vec![Alone(create_index(decl, name, wanted, true))])
            .unwrap_or_default(),
        Fix::ReplaceIndex(wanted) => declared(wanted)
            .map(|decl| {
                let aside = next(wanted);
                vec![
                    Alone(create_index(decl, name, &aside, true)),
                    After(format!("DROP INDEX {}", index(wanted))),
                    After(format!("ALTER INDEX {} RENAME TO {}", index(&aside), quote_ident(wanted))),
                ]
            })
            .unwrap_or_default(),
        Fix::DropIndex(old) => vec![InTransaction(format!("DROP INDEX {}", index(old)))],
        Fix::RenameIndex { from, to } => {
            vec![InTransaction(format!("ALTER INDEX {} RENAME TO {}", index(from), quote_ident(to)))]
        }
        Fix::DropConstraint(constraint) => vec![InTransaction(format!(
            "ALTER TABLE {name} DROP CONSTRAINT {}",
            quote_ident(constraint)
        ))],
        Fix::AddPrimaryKey => {
            let constraint = target.primary_key_name();
            let columns = quote_idents(&mart.primary_key);
            let mut mends: Vec<Mend> = mart.primary_key.iter().flat_map(|c| set_not_null(target, c)).collect();
            mends.push(Alone(format!(
                "CREATE UNIQUE INDEX CONCURRENTLY {} ON {name} ({columns})",
                quote_ident(&constraint)
            )));
            mends.push(After(format!(
                "ALTER TABLE {name} ADD CONSTRAINT {0} PRIMARY KEY USING INDEX {0}",
                quote_ident(&constraint)
            )));
            mends
        }
        Fix::SetNotNull(column) => set_not_null(target, column),
        Fix::DropNotNull(column) => vec![InTransaction(format!(
            "ALTER TABLE {name} ALTER COLUMN {} DROP NOT NULL",
            quote_ident(column)
        ))],
        Fix::Owner(owner) => vec![AsOurselves(format!("ALTER {alter} {name} OWNER TO {}", quote_ident(owner)))],
        Fix::Comment(comment) => vec![InTransaction(comment_on(mart.kind, name, comment.as_ref()))],
        Fix::ColumnComment(column, comment) => {
            vec![InTransaction(comment_on_column(name, column, comment.as_ref()))]
        }
        Fix::SetOption(key, value) => vec![InTransaction(format!(
            "ALTER {alter} {name} SET ({} = {})",
            option_name(key),
            option_value(value)
        ))],
        Fix::ResetOption(key) => {
            vec![InTransaction(format!("ALTER {alter} {name} RESET ({})", option_name(key)))]
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
        Mend::InTransaction(format!("ALTER TABLE {name} DROP CONSTRAINT IF EXISTS {check}")),
        Mend::InTransaction(format!("ALTER TABLE {name} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID")),
        Mend::Alone(format!("ALTER TABLE {name} VALIDATE CONSTRAINT {check}")),
        Mend::After(format!("ALTER TABLE {name} ALTER COLUMN {column} SET NOT NULL")),
        Mend::After(format!("ALTER TABLE {name} DROP CONSTRAINT {check}")),
    ]
}

/// The statements of a rename, schema first.
pub(crate) fn rename(kind: Kind, from: &QName, to: &QName) -> Vec<String> {
    let mut sql = Vec::new();
    let mut at = from.clone();
    if from.schema != to.schema {
        sql.push(format!("ALTER {} {at} SET SCHEMA {}", kind.sql(), quote_ident(&to.schema)));
        at = QName::new(&to.schema, &from.name);
    }
    if at.name != to.name {
        sql.push(format!("ALTER {} {at} RENAME TO {}", kind.sql(), quote_ident(&to.name)));
    }
    sql
}

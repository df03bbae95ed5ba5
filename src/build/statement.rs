//! The text of the statements that build, merge and exchange relations.

use crate::catalog::{Column, Index, Relation};
use crate::plan::carry::{comment_on, comment_on_column, rights, stored_body};
use crate::plan::with;
use crate::sql::{retained, unfrozen};
use crate::state::{Kind, Mart, QName, next_mark, next_name, quote_ident, quote_idents, quote_literal};

/// The table a refresh fills, as the live one is stored.
pub(crate) fn create_next(mart: &Mart, live: &Relation, name: &QName) -> String {
    let with = with(&live.options);
    let tablespace = live.tablespace.as_ref().map(|t| format!("\nTABLESPACE {}", quote_ident(t))).unwrap_or_default();
    let type_of = |name: &str| Some(live.columns.iter().find(|column| column.name == name)?.type_name.clone());
    let mut query = retained(mart, &mart.query, type_of);
    // What is frozen is taken over as it is; the first rows of all are none that could be.
    if let Some(unfrozen) = unfrozen(mart, "q", type_of).filter(|_| !live.empty) {
        let columns = quote_idents(live.columns.iter().map(|column| &column.name));
        query = format!(
            "SELECT {columns} FROM (\n{}\n) AS q WHERE {unfrozen}\nUNION ALL SELECT {columns} FROM {} AS q WHERE NOT {unfrozen}",
            query.trim(),
            live.name
        );
    }
    let unlogged = if live.unlogged { "UNLOGGED " } else { "" };
    let method = live.access_method.as_ref().map(|m| format!("\nUSING {}", quote_ident(m))).unwrap_or_default();
    format!("CREATE {unlogged}TABLE {name}{method}{with}{tablespace} AS\n{}", query.trim())
}

/// The table that a part of the mart's rows goes into, for as long as they are written into the live one.
pub(crate) fn create_part(live: &Relation, name: &QName, query: &str) -> String {
    let tablespace = live.tablespace.as_ref().map(|t| format!("\nTABLESPACE {}", quote_ident(t))).unwrap_or_default();
    format!("CREATE UNLOGGED TABLE {name}{tablespace} AS\n{}", query.trim())
}

/// The comment that marks it.
pub(crate) fn mark_next(kind: Kind, mart: &QName, name: &QName) -> String {
    format!("COMMENT ON {} {name} IS {}", kind.sql(), quote_literal(&next_mark(mart)))
}

/// What makes the built table complete before it takes the live one's place: NOT NULL and indexes.
pub(crate) fn indexes(live: &Relation, name: &QName) -> Vec<String> {
    let mut sql = Vec::new();
    for column in live.columns.iter().filter(|c| c.not_null) {
        sql.push(format!("ALTER TABLE {name} ALTER COLUMN {} SET NOT NULL", quote_ident(&column.name)));
    }
    for (index, is) in own_indexes(live) {
        let aside = quote_ident(&next_name(index));
        let unique = if is.unique { "UNIQUE " } else { "" };
        sql.push(format!("CREATE {unique}INDEX {aside} ON {name} {}", stored_body(is)));
        if is.primary {
            sql.push(format!("ALTER TABLE {name} ADD CONSTRAINT {aside} PRIMARY KEY USING INDEX {aside}"));
        }
        if let Some(comment) = &is.comment {
            sql.push(format!("COMMENT ON INDEX {} IS {}", name.sibling(next_name(index)), quote_literal(comment)));
        }
    }
    sql
}

/// The indexes that are not those of constraints, but for the primary key's.
fn own_indexes(live: &Relation) -> impl Iterator<Item = (&String, &Index)> {
    let indexes = live.indexes.iter().map(|(name, index)| (name, &**index));
    indexes.filter(|(_, index)| index.valid && (index.primary || index.constraint.is_none()))
}

/// Comments and grants of the live table, exactly: what default privileges gave the new one goes first.
pub(crate) fn rights_and_comments(live: &Relation, name: &QName, defaults: &[String]) -> Vec<String> {
    let mut sql = vec![comment_on(Kind::Table, name, live.comment.as_ref())];
    for column in live.columns.iter().filter(|c| c.comment.is_some()) {
        sql.push(comment_on_column(name, &column.name, column.comment.as_ref()));
    }
    // The server has each privilege by its own word, so that no version matters.
    sql.extend(rights(name, defaults.iter(), &live.grants, 0));
    sql
}

/// The exchange itself: the old table goes, the new one and its indexes get its names.
pub(crate) fn exchange(live: &Relation, name: &QName) -> Vec<String> {
    let mut sql = vec![
        format!("DROP TABLE {}", live.name),
        format!("ALTER TABLE {name} RENAME TO {}", quote_ident(&live.name.name)),
    ];
    for (index, _) in own_indexes(live) {
        let aside = live.name.sibling(next_name(index));
        sql.push(format!("ALTER INDEX {aside} RENAME TO {}", quote_ident(index)));
    }
    sql
}

fn row(alias: &str, columns: &[Column]) -> String {
    let columns: Vec<String> = columns.iter().map(|c| format!("{alias}.{}", quote_ident(&c.name))).collect();
    format!("ROW({})", columns.join(", "))
}

/// What rows that are the same have in common.
pub(super) fn image(alias: &str, columns: &[Column]) -> String {
    format!("{}::text", row(alias, columns))
}

/// Two rows are not the same to the byte, as REFRESH … CONCURRENTLY compares them: every type has an image.
pub(super) fn differ(columns: &[Column]) -> String {
    format!("pg_catalog.record_image_ne({}, {})", row("m", columns), row("n", columns))
}

pub(super) fn same_key(key: &[String]) -> String {
    let terms: Vec<String> = key.iter().map(|k| quote_ident(k)).map(|k| format!("m.{k} = n.{k}")).collect();
    terms.join(" AND ")
}

/// How many rows of `next` are not in `live` as they are, or are missing there, by key.
pub(crate) fn count_differences(live: &Relation, next: &QName, key: &[String]) -> String {
    format!(
        "SELECT count(*) FROM {} m FULL JOIN {next} n ON {} WHERE {}",
        live.name,
        same_key(key),
        differ(&live.columns)
    )
}

/// Delete, update, insert: only rows that differ are written.
pub(crate) fn merge_by_key(live: &Relation, next: &QName, key: &[String]) -> [Option<String>; 3] {
    let same = same_key(key);
    [
        Some(format!("DELETE FROM {} m WHERE NOT EXISTS (SELECT FROM {next} n WHERE {same})", live.name)),
        update_by(live, next, key, &same),
        Some(insert_by(live, next, &format!("NOT EXISTS (SELECT FROM {} m WHERE {same})", live.name))),
    ]
}

/// Rows that are the `same` and differ otherwise.
fn update_by(live: &Relation, next: &QName, key: &[String], same: &str) -> Option<String> {
    let rest = live.columns.iter().filter(|c| !key.contains(&c.name)).map(|c| quote_ident(&c.name));
    let set: Vec<String> = rest.map(|c| format!("{c} = n.{c}")).collect();
    let differ = differ(&live.columns);
    let set = (!set.is_empty()).then(|| set.join(", "))?;
    Some(format!("UPDATE {} m SET {set} FROM {next} n WHERE {same} AND {differ}", live.name))
}

fn insert_by(live: &Relation, next: &QName, which: &str) -> String {
    let columns = quote_idents(live.columns.iter().map(|c| &c.name));
    let values: Vec<String> = live.columns.iter().map(|c| format!("n.{}", quote_ident(&c.name))).collect();
    format!("INSERT INTO {} ({columns}) SELECT {} FROM {next} n WHERE {which}", live.name, values.join(", "))
}

/// Rows `within` go, where the next ones do not have their key; all of them, where there is none.
pub(crate) fn delete_within(live: &Relation, next: &QName, key: Option<&[String]>, within: &str) -> String {
    let gone = key.map(|key| format!(" AND NOT EXISTS (SELECT FROM {next} n WHERE {})", same_key(key)));
    format!("DELETE FROM {} m WHERE {within}{}", live.name, gone.unwrap_or_default())
}

/// Every next row comes.
pub(crate) fn insert_all(live: &Relation, next: &QName) -> String {
    insert_by(live, next, "true")
}

/// Update and insert by a key of which some columns may be NULL, which is a value among others here: the rows that have
/// none are the caller's business. Apart, because what may be NULL cannot be hashed.
pub(crate) fn merge_null_keys(live: &Relation, next: &QName, key: &[String]) -> Option<[Option<String>; 3]> {
    let nullable = |name: &&String| live.columns.iter().any(|c| c.name == **name && !c.not_null);
    let nullable: Vec<String> = key.iter().filter(nullable).map(|name| quote_ident(name)).collect();
    let any_null = |alias: &str| {
        let terms: Vec<String> = nullable.iter().map(|name| format!("{alias}.{name} IS NULL")).collect();
        format!("({})", terms.join(" OR "))
    };
    let terms = key.iter().map(|name| quote_ident(name)).map(|name| format!("m.{name} IS NOT DISTINCT FROM n.{name}"));
    let same = terms.collect::<Vec<_>>().join(" AND ");
    (!nullable.is_empty()).then(|| {
        let here = format!("{} AND {same}", any_null("m"));
        let whole = format!("NOT EXISTS (SELECT FROM {} m WHERE {})", live.name, same_key(key));
        [
            update_by(live, next, key, &format!("{} AND {here}", any_null("n"))),
            Some(insert_by(live, next, &format!("NOT {} AND {whole}", any_null("n")))),
            Some(insert_by(
                live,
                next,
                &format!("{} AND NOT EXISTS (SELECT FROM {} m WHERE {here})", any_null("n"), live.name),
            )),
        ]
    })
}

/// A key that more than one of the next rows has.
pub(crate) fn key_twice(next: &QName, key: &[String]) -> String {
    let columns = quote_idents(key);
    format!("SELECT ROW({columns})::text FROM {next} GROUP BY {columns} HAVING count(*) > 1 LIMIT 1")
}

/// Rows whose key is there but that differ, taken out: for updates that would collide in another unique index.
pub(crate) fn delete_changed(live: &Relation, next: &QName, key: &[String]) -> String {
    format!("DELETE FROM {} m USING {next} n WHERE {} AND {}", live.name, same_key(key), differ(&live.columns))
}

/// Without a key, as multisets of rows: what is there too often goes, what is missing comes.
pub(crate) fn merge_by_rows(live: &Relation, next: &QName) -> [String; 2] {
    let name = &live.name;
    let columns = quote_idents(live.columns.iter().map(|c| &c.name));
    let image = |alias: &str| image(alias, &live.columns);
    [
        format!(
            "WITH have AS (SELECT m.ctid AS at, {0} AS image, row_number() OVER (PARTITION BY {0}) AS nth FROM {name} m), \
             want AS (SELECT {1} AS image, count(*) AS times FROM {next} n GROUP BY 1) \
             DELETE FROM {name} t USING have LEFT JOIN want USING (image) WHERE t.ctid = have.at AND have.nth > coalesce(want.times, 0)",
            image("m"),
            image("n")
        ),
        format!(
            "WITH have AS (SELECT {0} AS image, count(*) AS times FROM {name} m GROUP BY 1), \
             want AS (SELECT n.*, {1} AS \"datamart image\", row_number() OVER (PARTITION BY {1}) AS \"datamart nth\" FROM {next} n) \
             INSERT INTO {name} ({columns}) SELECT {columns} FROM want LEFT JOIN have ON have.image = want.\"datamart image\" \
             WHERE want.\"datamart nth\" > coalesce(have.times, 0)",
            image("m"),
            image("n")
        ),
    ]
}

/// How many rows a query returns, and the first `most` of them as JSON; of one that is too long only its beginning. The
/// rows pass by one after the other, and none but those few is kept.
pub(crate) fn sample(query: &str, most: usize) -> String {
    // No column is called so: of a row and a column of one name, the column would be meant.
    let json = "pg_catalog.row_to_json(f.\"datamart row\")::text";
    format!(
        "SELECT pg_catalog.count(*), pg_catalog.array_agg(CASE WHEN pg_catalog.octet_length({json}) <= {LONGEST} THEN {json} \
         ELSE pg_catalog.to_json(pg_catalog.left({json}, {BEGINNING}) || '…')::text END) FILTER (WHERE f.nth <= {most}) \
         FROM (SELECT \"datamart row\", pg_catalog.row_number() OVER () AS nth FROM (\n{query}\n) AS \"datamart row\") AS f"
    )
}

/// A row of a sample has so many bytes at most.
const LONGEST: usize = 8_000;
/// So many characters of a longer one are shown.
const BEGINNING: usize = 1_000;

//! The partitions of a mart: made with it, added as the time goes on, and what of them is not as it should be.

use super::aspect::{Fix, Mend, Spared};
use super::statement::{self, exact_rights, next};
use super::target::Target;
use super::{PlanProblem, Undo};
use crate::catalog::{Actual, Attached};
use crate::sql::{
    BOUND, attach, check_query, create_index, create_like, detach, fill_partition, forget_bound, is_row_by_row,
    move_rows, none_of, say_bound, settle_index_names, tablespace,
};
use crate::state::{
    CheckDecl, Partition, PartitionBy, Piece, QName, derived_name, quote_ident, quote_idents, quote_role,
};

impl Target<'_> {
    /// What stands against dividing it as declared.
    pub(crate) fn undividable(&self) -> Option<PlanProblem> {
        let partition = self.mart.partition.as_ref()?;
        let known = self.columns.iter().any(|column| column.name == partition.column);
        let (key, message, help) = match &self.undividable {
            Some(error) => ("partition.column", error.to_string(), error.help().to_owned()),
            None if !known => {
                let columns: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
                let help = format!("its columns are {}", columns.join(", "));
                ("partition.column", format!("the query has no column {:?}", partition.column), help)
            }
            None => {
                let column = self.columns.iter().find(|column| column.name == partition.column)?;
                let value = unlisted(&partition.by, &column.type_name)?;
                let message =
                    format!("{value:?} is no value of {:?}, which is of type {}", column.name, column.type_name);
                ("partition.values", message, "list values of that type".to_owned())
            }
        };
        Some(PlanProblem {
            mart: self.mart.name.clone(),
            file: self.desired.file.clone(),
            key: key.to_owned(),
            message,
            help,
        })
    }

    fn piece(&self, name: &QName) -> Option<&Piece> {
        self.pieces.iter().find(|piece| piece.name == *name)
    }
}

/// A listed value that a column of a type cannot have, of types whose values have one spelling.
fn unlisted<'a>(by: &'a PartitionBy, type_name: &str) -> Option<&'a String> {
    let PartitionBy::List { values } = by else { return None };
    let fits = |value: &String| match type_name {
        "smallint" => value.parse::<i16>().is_ok(),
        "integer" => value.parse::<i32>().is_ok(),
        "bigint" => value.parse::<i64>().is_ok(),
        _ => true,
    };
    values.values().flatten().find(|value| !fits(value))
}

/// The statements that make a mart divided, under `name`.
pub(super) fn create(
    target: &Target<'_>,
    partition: &Partition,
    name: &QName,
    actual: &Actual,
    role: Option<&str>,
) -> Vec<String> {
    let mart = target.mart;
    let is_aside = *name != mart.name;
    let columns: Vec<String> = target
        .columns
        .iter()
        .map(|column| format!("{} {}", quote_ident(&column.name), column.collated_type()))
        .collect();
    let tablespace = tablespace(mart.tablespace.as_ref());
    let key = partition.key();
    let mut sql = vec![format!("CREATE TABLE {name} (\n  {}\n) PARTITION BY {key}{tablespace}", columns.join(",\n  "))];
    let with = statement::with(&mart.with);
    for piece in &target.pieces {
        let part = if is_aside { aside(&piece.name) } else { piece.name.clone() };
        sql.push(format!("CREATE TABLE {part} PARTITION OF {name} {}{with}{tablespace}", piece.bound));
        let before = target.live.and_then(|live| live.partitions.iter().find(|attached| attached.name == piece.name));
        sql.extend(rights_on(target, &part, before, actual, role));
    }
    sql
}

/// The name that a partition has while its mart stands aside.
pub(super) fn aside(partition: &QName) -> QName {
    partition.sibling(next(&partition.name))
}

/// Whoever reads a mart reads its partitions through it. Where its grants are declared, they have none of their own; else one
/// keeps those of the partition whose place it takes.
fn rights_on(
    target: &Target<'_>,
    part: &QName,
    before: Option<&Attached>,
    actual: &Actual,
    role: Option<&str>,
) -> Vec<String> {
    match (&target.mart.grants, before) {
        (Some(_), _) => exact_rights(part, &[], actual, role),
        (None, Some(before)) => exact_rights(part, &before.grants, actual, role),
        (None, None) => Vec::new(),
    }
}

/// The names of partitions that were built aside, once their mart has its own.
pub(super) fn take_place(target: &Target<'_>) -> Vec<String> {
    let mut sql: Vec<String> = target
        .pieces
        .iter()
        .flat_map(|piece| statement::rename(target.mart.kind, &aside(&piece.name), &piece.name))
        .collect();
    if !target.pieces.is_empty() {
        sql.push(settle_index_names(&target.mart.name));
    }
    sql
}

/// How the partitions of the live relation are mended.
pub(super) fn mend(target: &Target<'_>, actual: &Actual, fix: &Fix) -> Vec<Mend> {
    let mart = &target.mart.name;
    let come = |name: &QName, filled: bool| {
        target.piece(name).map(|piece| add(target, actual, piece, filled)).unwrap_or_default()
    };
    match fix {
        Fix::CreatePartition { name, filled, spared: None } => come(name, *filled),
        Fix::CreatePartition { name, filled, spared: Some(spared) } => beside(target, spared, come(name, *filled)),
        Fix::RenamePartition { from, to } => {
            statement::rename(target.mart.kind, from, to).into_iter().map(Mend::Briefly).collect()
        }
        Fix::DetachPartition { name, to, instead } => {
            let mut mends: Vec<Mend> = detach(mart, name, to.as_ref()).into_iter().map(Mend::Briefly).collect();
            mends.extend(instead.iter().flat_map(|(name, filled)| come(name, *filled)));
            mends
        }
        Fix::DropPartition(name) => vec![Mend::Briefly(format!("DROP TABLE {name}"))],
        Fix::RevokeOnPartitions { role, partitions } => {
            let role = quote_role(role);
            let revoke = |name: &QName| Mend::InTransaction(format!("REVOKE ALL ON {name} FROM {role}"));
            partitions.iter().map(revoke).collect()
        }
        _ => Vec::new(),
    }
}

/// A partition that comes beside others: attached, which keeps no reader waiting. One that had rows gets them from the query,
/// another those that wait for it in the default.
fn add(target: &Target<'_>, actual: &Actual, piece: &Piece, filled: bool) -> Vec<Mend> {
    let (mart, Some(live)) = (target.mart, target.live) else { return Vec::new() };
    let Some(partition) = &mart.partition else { return Vec::new() };
    let default = live.partitions.iter().find(|attached| attached.is_default() && attached.name != piece.name);
    let columns = quote_idents(live.columns.iter().map(|column| &column.name));
    let storage = statement::with(&mart.with) + &tablespace(mart.tablespace.as_ref());
    let mut mends = vec![Mend::InTransaction(create_like(&mart.name, &piece.name, &storage))];
    mends.extend(rights_on(target, &piece.name, None, actual, Some(&live.owner)).into_iter().map(Mend::InTransaction));
    let takes = partition.takes(&mart.name, piece, &target.pieces);
    if let Some(condition) = takes.as_ref().filter(|_| filled) {
        let query = target.retained(&mart.query);
        mends.push(Mend::Fill(fill_partition(&piece.name, &columns, &query, condition)));
        let check = |check: &CheckDecl| Mend::Check(check.clone(), check_query(check, &piece.name, &|_, _| None));
        mends.extend(mart.checks.iter().filter(|check| is_row_by_row(&check.form)).map(check));
    }
    let attach = attach(&mart.name, piece, &piece.name);
    match (default, takes) {
        (Some(default), Some(condition)) => {
            mends.push(Mend::InTransaction(match filled {
                true => format!("DELETE FROM {} WHERE {condition}", default.name),
                false => move_rows(&default.name, &piece.name, &columns, &condition),
            }));
            mends.push(Mend::Briefly(attach));
        }
        _ => mends.push(Mend::InTransaction(attach)),
    }
    if filled {
        mends.push(Mend::InTransaction(format!("ANALYZE {}", piece.name)));
    }
    mends
}

/// Attaching a partition reads the default, and nobody else can meanwhile. That there are no rows of the new ones in one of many is
/// said by a constraint, which is found to hold beside readers and writers: then nothing is read. Where there are such rows it does
/// not hold; they go along, and all are read.
fn beside(target: &Target<'_>, spared: &Spared, mends: Vec<Mend>) -> Vec<Mend> {
    let column = target.mart.partition.as_ref().map(|partition| partition.column.as_str()).unwrap_or_default();
    let default = target.live.and_then(|live| live.partitions.iter().find(|attached| attached.is_default()));
    let Some(Attached { name, .. }) = default else { return mends };
    let said: Vec<String> =
        spared.all.iter().filter_map(|piece| target.piece(piece)).filter_map(|piece| piece.own(column)).collect();
    let forget = forget_bound(name);
    let mut all = Vec::new();
    if !said.is_empty() {
        all.push(Mend::Briefly(forget.clone()));
        all.push(Mend::Briefly(say_bound(name, &none_of(&said))));
        all.push(Mend::Undoable(
            format!(
                "DO $datamart$ BEGIN ALTER TABLE {name} VALIDATE CONSTRAINT {BOUND};\n\
                 EXCEPTION WHEN check_violation THEN NULL; END $datamart$"
            ),
            Undo { sql: forget.clone(), failed: false },
        ));
    }
    all.extend(mends.into_iter().map(|mend| match mend {
        Mend::InTransaction(sql) | Mend::Briefly(sql) => Mend::After(sql),
        other => other,
    }));
    all.extend(spared.is_last.then_some(Mend::After(forget)));
    all
}

/// How an index of a mart that is divided is made: in each partition beside its readers and writers, then on the mart, which
/// takes those over. CONCURRENTLY is not possible there.
/// <https://www.postgresql.org/docs/current/ddl-partitioning.html#DDL-PARTITIONING-DECLARATIVE-MAINTENANCE>
pub(super) fn index(target: &Target<'_>, wanted: &str, name: &str) -> Vec<Mend> {
    let mart = target.mart;
    let Some(decl) = mart.indexes.iter().find(|index| index.name == wanted) else { return Vec::new() };
    let partitions = target.live.map(|live| live.partitions.as_slice()).unwrap_or_default();
    let mut mends: Vec<Mend> = partitions
        .iter()
        .map(|attached| {
            let rest = name.strip_prefix(&mart.name.name).unwrap_or(name).trim_start_matches('_');
            let index = derived_name(&attached.name.name, &format!("_{rest}"));
            let sql = create_index(decl, &attached.name, &index, true);
            let undo = format!("DROP INDEX IF EXISTS {}", attached.name.sibling(index));
            Mend::Undoable(
                sql.replacen("INDEX CONCURRENTLY ", "INDEX CONCURRENTLY IF NOT EXISTS ", 1),
                Undo { sql: undo, failed: true },
            )
        })
        .collect();
    mends.push(Mend::After(create_index(decl, &mart.name, name, false)));
    mends
}

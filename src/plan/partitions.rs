//! The partitions of a mart: made with it, added as the time goes on, and what of them is not as it should be.

use std::collections::BTreeSet;

use super::PlanProblem;
use super::aspect::{Cause, Difference, Fix, Mend};
use super::statement::{self, next};
use super::target::Target;
use crate::catalog::{Relation, expired, matched};
use crate::sql::{attach, create_index, create_like, move_rows, settle_index_names, tablespace};
use crate::state::{OnExpire, Partition, Piece, QName, derived_name, quote_ident, quote_idents};

impl Target<'_> {
    /// What stands against dividing it as declared.
    pub(crate) fn undividable(&self) -> Option<PlanProblem> {
        let partition = self.mart.partition.as_ref()?;
        let known = self.columns.iter().any(|column| column.name == partition.column);
        let (key, message, help) = match &self.undividable {
            Some(error) => (
                "partition.column",
                error.to_string(),
                "name a column of type date, timestamp or timestamp with time zone, or another interval".to_owned(),
            ),
            None if !known => {
                let columns: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
                let help = format!("its columns are {}", columns.join(", "));
                ("partition.column", format!("the query has no column {:?}", partition.column), help)
            }
            None => return None,
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

    /// Whether fewer partitions are kept than before.
    fn retains_less(&self) -> bool {
        let retain = |partition: &Partition| partition.ranges().and_then(|ranges| ranges.retain);
        let before = self.recorded.and_then(|recorded| recorded.mart.partition.as_ref()).and_then(retain);
        let now = self.mart.partition.as_ref().and_then(retain);
        now.is_some() && now != before
    }
}

/// The statements that make a mart divided, under `name`, and fill it. Rows go in before there are indexes.
pub(super) fn create(target: &Target<'_>, partition: &Partition, name: &QName, query: &str) -> Vec<String> {
    let mart = target.mart;
    let aside = *name != mart.name;
    let columns: Vec<String> = target
        .columns
        .iter()
        .map(|column| {
            let collation = column.collation.as_ref().map(|c| format!(" COLLATE {}", quote_ident(c)));
            format!("{} {}{}", quote_ident(&column.name), column.type_name, collation.unwrap_or_default())
        })
        .collect();
    let tablespace = tablespace(mart.tablespace.as_ref());
    let key = partition.key();
    let mut sql = vec![format!("CREATE TABLE {name} (\n  {}\n) PARTITION BY {key}{tablespace}", columns.join(",\n  "))];
    let with = statement::with(&mart.with);
    for piece in &target.pieces {
        let part = if aside { piece.name.sibling(next(&piece.name.name)) } else { piece.name.clone() };
        sql.push(format!("CREATE TABLE {part} PARTITION OF {name} {}{with}{tablespace}", piece.bound));
    }
    sql.push(format!("INSERT INTO {name}\n{}", query.trim()));
    sql
}

/// The names of partitions that were built aside, once their mart has its own.
pub(super) fn take_place(target: &Target<'_>) -> Vec<String> {
    let mut sql: Vec<String> = target
        .pieces
        .iter()
        .flat_map(|piece| statement::rename(target.mart.kind, &piece.name.sibling(next(&piece.name.name)), &piece.name))
        .collect();
    if !target.pieces.is_empty() {
        sql.push(settle_index_names(&target.mart.name));
    }
    sql
}

/// In which its partitions are not those it should have.
pub(super) fn differences(found: &mut Vec<Difference>, target: &Target<'_>, live: &Relation) {
    let Some(partition) = &target.mart.partition else { return };
    let before = target.recorded.and_then(|recorded| recorded.mart.partition.as_ref());
    let words = |partition: &Partition| serde_json::to_string(partition).unwrap_or_default();
    if let Some(before) = before.filter(|before| !before.divides_as(partition)) {
        found.push(Difference {
            aspect: "partition".to_owned(),
            cause: Cause::Declared,
            expected: Some(words(partition)),
            actual: Some(words(before)),
            fix: Fix::Rebuild,
        });
        return;
    }
    let mut push = |name: &QName, cause, expected: Option<&str>, actual: Option<&str>, fix| {
        let (expected, actual) = (expected.map(str::to_owned), actual.map(str::to_owned));
        found.push(Difference { aspect: format!("partitions:{}", name.name), cause, expected, actual, fix });
    };
    let old: BTreeSet<&QName> =
        expired(target.mart, live, target.now).into_iter().map(|attached| &attached.name).collect();
    let matched = matched(live, &target.pieces);
    for attached in matched.others.iter().filter(|attached| !old.contains(&attached.name)) {
        let fix = Fix::DetachPartition(attached.name.clone());
        push(&attached.name, Cause::Drift, None, Some(&attached.bound), fix);
    }
    for (piece, attached) in matched.there.iter().filter(|(piece, attached)| piece.name != attached.name) {
        let cause = if target.renamed_from().is_some() { Cause::Declared } else { Cause::Drift };
        let fix = Fix::RenamePartition { from: attached.name.clone(), to: piece.name.clone() };
        push(&piece.name, cause, Some(&piece.name.to_string()), Some(&attached.name.to_string()), fix);
    }
    for piece in matched.missing {
        push(&piece.name, Cause::Missing, Some(&piece.bound), None, Fix::CreatePartition(piece.name.clone()));
    }
    if target.retains_less() {
        let detach = partition.ranges().is_some_and(|ranges| ranges.on_expire == OnExpire::Detach);
        for attached in live.partitions.iter().filter(|attached| old.contains(&attached.name)) {
            let name = attached.name.clone();
            let fix = if detach { Fix::DetachPartition(name) } else { Fix::DropPartition(name) };
            push(&attached.name, Cause::Declared, None, Some(&attached.bound), fix);
        }
    }
}

/// How the partitions of the live relation are mended.
pub(super) fn mend(target: &Target<'_>, fix: &Fix) -> Vec<Mend> {
    let mart = &target.mart.name;
    match fix {
        Fix::CreatePartition(name) => target.piece(name).map(|piece| add(target, piece)).unwrap_or_default(),
        Fix::RenamePartition { from, to } => {
            statement::rename(target.mart.kind, from, to).into_iter().map(Mend::Briefly).collect()
        }
        Fix::DetachPartition(name) => vec![Mend::Briefly(format!("ALTER TABLE {mart} DETACH PARTITION {name}"))],
        Fix::DropPartition(name) => vec![Mend::Briefly(format!("DROP TABLE {name}"))],
        _ => Vec::new(),
    }
}

/// A partition that comes beside others: attached, which keeps no reader waiting, with the rows that wait for it in the
/// default.
fn add(target: &Target<'_>, piece: &Piece) -> Vec<Mend> {
    let mart = target.mart;
    let default = target.live.and_then(|live| live.partitions.iter().find(|attached| attached.is_default()));
    let columns = target.live.map(|live| quote_idents(live.columns.iter().map(|column| &column.name)));
    let column = mart.partition.as_ref().map(|partition| partition.column.as_str()).unwrap_or_default();
    let storage = statement::with(&mart.with) + &tablespace(mart.tablespace.as_ref());
    let mut mends = vec![Mend::InTransaction(create_like(&mart.name, &piece.name, &storage))];
    let attach = attach(&mart.name, piece, &piece.name);
    match (default, piece.condition(column), columns) {
        (Some(default), Some(condition), Some(columns)) => {
            mends.push(Mend::InTransaction(move_rows(&default.name, &piece.name, &columns, &condition)));
            mends.push(Mend::Briefly(attach));
        }
        _ => mends.push(Mend::InTransaction(attach)),
    }
    mends
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
            Mend::Alone(sql.replacen("INDEX CONCURRENTLY ", "INDEX CONCURRENTLY IF NOT EXISTS ", 1))
        })
        .collect();
    mends.push(Mend::After(create_index(decl, &mart.name, name, false)));
    mends
}

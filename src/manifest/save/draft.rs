//! What is known of a mart whose query is not.

use toml_edit::{DocumentMut, InlineTable, Table, Value};

use super::text::{string, strings};
use super::{Edit, FileText, apart};
use crate::manifest::Desired;
use crate::state::{Mart, Partition, PartitionBy};

/// The draft of a partitioned mart's manifest: all but the query, which people have to add before they give it the name
/// of a manifest. `path` is where that is to stand.
pub fn draft(mart: &Mart, path: &str, desired: &Desired) -> FileText {
    let mut edit = Edit { document: DocumentMut::new(), path, old: None, new: mart, desired };
    edit.everything();
    let document = &mut edit.document;
    if !mart.primary_key.is_empty() {
        document.insert("primary_key", strings(&mart.primary_key).into());
    }
    if let Some(partition) = &mart.partition {
        document.insert("partition", divided(partition).into());
    }
    let (_, stem) = apart(path);
    let head = format!(
        "# What fills {} is not stored in the database: add its query, for example\n\
         # query = \"SELECT … FROM …\"\n\
         # and give this file the name {stem}.toml. Then `datamart import --adopt` takes the table over as it is.\n",
        mart.name
    );
    FileText::new(format!("{path}.draft"), format!("{head}{document}"))
}

fn divided(partition: &Partition) -> Table {
    let mut table = Table::new();
    let mut set = |key: &str, value: Value| {
        table.insert(key, value.into());
    };
    let (by, column) = (&partition.by, string(&partition.column));
    match by {
        PartitionBy::Range(ranges) => {
            set("by", string("range"));
            set("column", column);
            set("interval", string(&ranges.interval.to_string()));
            if let Some(start) = ranges.start {
                let midnight = start.time() == chrono::NaiveTime::MIN;
                let format = if midnight { "%Y-%m-%d" } else { "%Y-%m-%d %H:%M" };
                set("start", string(&start.format(format).to_string()));
            }
            set("premake", i64::from(ranges.premake).into());
        }
        PartitionBy::List { values } => {
            set("by", string("list"));
            set("column", column);
            let lists = values.iter().map(|(name, values)| (name.as_str(), strings(values)));
            set("values", InlineTable::from_iter(lists).into());
        }
        PartitionBy::Hash { modulus } => {
            set("by", string("hash"));
            set("column", column);
            set("modulus", i64::from(*modulus).into());
        }
    }
    if partition.default {
        set("default", true.into());
    }
    table
}

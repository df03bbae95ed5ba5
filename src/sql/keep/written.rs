//! The rows of the keys that a transaction affects: computed, and written where they differ.

use super::super::fresh::{query, within};
use super::merge::Merge;
use super::{Kept, first_range};
use crate::state::{Changes, quote_ident, quote_literal};

/// So many ranges of a source's column are looked at one by one; of more it is all from the first to the last.
const FEW_RANGES: u32 = 32;

/// With more keys than this the server plans for their number.
const FEW_KEYS: u32 = 50;

/// Computes the rows and writes those that differ.
pub(super) fn written(kept: &Kept<'_>, keys: &[usize]) -> String {
    let changes = kept.view.changes;
    let settled = keys.iter().all(|at| kept.primary_key.contains(&changes.key[*at].name));
    let (mart, columns, key) = (kept.view.rows, kept.view.columns, kept.primary_key);
    let merge = Merge { mart, columns, key, unique: kept.unique, settled };
    let all = merge.statements(&super::super::changes::whole(changes), "true");
    let all: String = all.iter().map(|sql| format!("{sql};\n")).collect();
    let named = |what: &str, at: usize| format!("datamart_{what}{at}");
    let few = |of: Of| -> String {
        match one_column(kept, keys) {
            true => by_key(changes, keys, &merge, &named, of),
            false => statements(changes, keys, &merge, &named, of).iter().map(|sql| format!("{sql};\n")).collect(),
        }
    };
    let mut given = Vec::new();
    for at in keys {
        given.extend([named("k", *at), named("n", *at)]);
        if changes.key[*at].range.is_some() {
            given.extend([named("lo", *at), named("hi", *at)]);
        }
    }
    let number = |what: &str, at: usize| {
        let at = given.iter().position(|name| *name == named(what, at)).unwrap_or_default();
        format!("${}", at + 1)
    };
    let many = statements(changes, keys, &merge, &number, Of::Any);
    let many: String =
        many.iter().map(|sql| format!("EXECUTE {} USING {};\n", quote_literal(sql), given.join(", "))).collect();
    let nulls: Vec<String> = keys.iter().map(|at| named("n", *at)).collect();
    let some = format!(
        "IF datamart_keys > {FEW_KEYS} OR {} THEN\n{many}ELSIF datamart_keys = 1 THEN\n{}ELSE\n{}END IF;\n",
        nulls.join(" OR "),
        few(Of::One),
        few(Of::Some)
    );
    // A row that goes from one range to another has to go before it comes: that is done for all ranges at once.
    let apart = |at: &usize| !kept.unique && (key.is_empty() || key.contains(&changes.key[*at].name));
    let some = match first_range(changes, keys).filter(apart) {
        Some(at) => one_by_one(at, &some),
        None => some,
    };
    format!("IF datamart_all THEN\n{all}ELSIF datamart_keys > 0 THEN\n{some}END IF;\n")
}

/// Values that lie far apart stand for few rows each, and for many from the first to the last.
fn one_by_one(at: usize, some: &str) -> String {
    format!(
        "datamart_each := datamart_k{at};\ndatamart_null := datamart_n{at};\n\
         datamart_parts := COALESCE(pg_catalog.cardinality(datamart_each), 0);\n\
         IF datamart_parts NOT BETWEEN 2 AND {FEW_RANGES} THEN\n    datamart_parts := 0;\nEND IF;\n\
         FOR datamart_part IN 1 .. GREATEST(datamart_parts, 1) LOOP\n\
         IF datamart_parts > 0 THEN\n    datamart_k{at} := datamart_each[datamart_part:datamart_part];\n    \
         datamart_lo{at} := datamart_each[datamart_part];\n    datamart_hi{at} := datamart_each[datamart_part];\n    \
         datamart_n{at} := datamart_null AND datamart_part = 1;\nEND IF;\n{some}END LOOP;\n"
    )
}

/// The mart's primary key is the one column that it is looked for by, so that all rows which are computed are behind a lock.
pub(super) fn one_column(kept: &Kept<'_>, keys: &[usize]) -> bool {
    let changes = kept.view.changes;
    let [at] = keys else { return false };
    !kept.unique && changes.key.len() == 1 && kept.primary_key == [changes.key[*at].name.clone()]
}

/// Which keys rows are computed of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// A single one: the planner does not take its values for ten, and no rows of theirs are hashed.
    One,
    /// Some, none of which is NULL.
    Some,
    /// Some, and NULL may be among them.
    Any,
}

/// A row of each key: what nobody else can have written meanwhile needs no comparison before it is written.
fn by_key(
    changes: &Changes,
    keys: &[usize],
    merge: &Merge<'_>,
    named: &dyn Fn(&str, usize) -> String,
    of: Of,
) -> String {
    let (some, condition) = narrowed(changes, keys, named, of);
    format!(
        "{};\nGET DIAGNOSTICS datamart_written = ROW_COUNT;\nIF datamart_written < datamart_keys THEN\n{};\nEND IF;\n",
        merge.come(&some),
        merge.went(&some, &condition)
    )
}

/// The statements that write the rows of the keys which `named` gives the names of.
fn statements(
    changes: &Changes,
    keys: &[usize],
    merge: &Merge<'_>,
    named: &dyn Fn(&str, usize) -> String,
    of: Of,
) -> Vec<String> {
    let (some, condition) = narrowed(changes, keys, named, of);
    merge.statements(&some, &condition)
}

/// The query for some keys, and the condition on the mart's rows, named `m`.
fn narrowed(changes: &Changes, keys: &[usize], named: &dyn Fn(&str, usize) -> String, of: Of) -> (String, String) {
    let condition = |relation: &str| {
        let conditions = keys.iter().map(|at| {
            let (key, column) = (&changes.key[*at], format!("{relation}.{}", quote_ident(&changes.key[*at].name)));
            let among = format!("{column} = ANY ({}::{}[])", named("k", *at), key.type_name);
            match of {
                Of::One => format!("{column} = ({}::{}[])[1]", named("k", *at), key.type_name),
                Of::Some => among,
                Of::Any => format!("({among} OR {column} IS NULL AND {})", named("n", *at)),
            }
        });
        conditions.collect::<Vec<_>>().join(" AND ")
    };
    let computed = query(changes, |at, key| {
        let null = if of == Of::Any { named("n", at) } else { "false".to_owned() };
        within(key, &named("lo", at), &named("hi", at), &null)
    });
    let some = format!("SELECT q.* FROM (\n{computed}\n) AS q WHERE {}", condition("q"));
    (some, condition("m"))
}

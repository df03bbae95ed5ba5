//! Queries that do not say their result in full: computed again, they may give something else.

use std::collections::BTreeSet;

use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::Known;
use super::node::{Callee, bare, callee, child, name};
use crate::state::QName;

/// Aggregates whose result depends on the order of the rows.
const ORDERED: &str = "array_agg string_agg json_agg jsonb_agg json_object_agg jsonb_object_agg xmlagg";

/// Aggregates of which floats are added up in any order.
const ADDED: &str = "avg sum stddev stddev_pop stddev_samp variance var_pop var_samp corr covar_pop covar_samp regr_slope \
    regr_intercept regr_r2 regr_avgx regr_avgy regr_sxx regr_sxy regr_syy";

/// Window functions that tell rows apart which the order does not.
const RANKED: &str = "row_number ntile lag lead first_value last_value nth_value";

/// What may be other each time.
pub(super) fn doubts(root: &SyntaxNode, output: &[(String, String)], sources: &[QName], known: &Known) -> Vec<String> {
    let among = |list: &str, name: &str| list.split_whitespace().any(|word| word == name);
    let floats = output.iter().any(|(_, type_name)| is_float(type_name));
    let mut doubts = BTreeSet::new();
    for node in root.descendants() {
        if let Some(Callee::Own(function)) = callee(&node) {
            let sorted = node.descendants().any(|inner| inner.kind() == SyntaxKind::ORDER_BY_CLAUSE);
            let over = child(&node, SyntaxKind::OVER_CLAUSE);
            if among(ORDERED, &function) && over.is_none() && !sorted {
                doubts.insert(format!("{function}() without ORDER BY puts its values in any order"));
            }
            if among(ADDED, &function) && floats && !is_exact(&node, sources, known) {
                doubts.insert(format!("{function}() of floats may differ in the last digits each time"));
            }
            if among(RANKED, &function) && over.is_some_and(|over| !is_unique(&over, sources, known)) {
                doubts.insert(format!("{function}() picks any row where the window's order has ties"));
            }
        }
        let clause = |kind: SyntaxKind| child(&node, kind);
        let order = clause(SyntaxKind::ORDER_BY_CLAUSE);
        let certain = order.is_some_and(|order| is_unique(&order, sources, known));
        let distinct = clause(SyntaxKind::SELECT_CLAUSE).and_then(|clause| child(&clause, SyntaxKind::DISTINCT_CLAUSE));
        if distinct.is_some_and(|distinct| child(&distinct, SyntaxKind::DISTINCT_ON).is_some()) && !certain {
            doubts.insert("DISTINCT ON picks any row where ORDER BY has ties".to_owned());
        }
        if clause(SyntaxKind::LIMIT_CLAUSE).is_some() && !certain {
            doubts.insert("LIMIT picks any rows where ORDER BY has ties".to_owned());
        }
    }
    doubts.into_iter().collect()
}

/// Whether what a call adds up is a column that no table has as floats.
fn is_exact(call: &SyntaxNode, sources: &[QName], known: &Known) -> bool {
    let args = child(call, SyntaxKind::ARG_LIST);
    let args: Vec<SyntaxNode> =
        args.iter().flat_map(|list| list.children()).filter_map(|arg| arg.first_child()).collect();
    let [arg] = &args[..] else { return false };
    let column = match bare(arg) {
        column if column.kind() == SyntaxKind::NAME_REF => Some(column),
        field if field.kind() == SyntaxKind::FIELD_EXPR => field.last_child(),
        _ => None,
    };
    let Some(column) = column.map(|column| name(&column)) else { return false };
    let tables = sources.iter().filter_map(|source| known.tables.get(source));
    let mut types =
        tables.flat_map(|table| &table.columns).filter(|(name, _)| *name == column).map(|(_, of)| of).peekable();
    types.peek().is_some() && types.all(|type_name| !is_float(type_name))
}

fn is_float(type_name: &str) -> bool {
    matches!(type_name, "double precision" | "real")
}

/// Whether the columns of a clause tell the rows of one of the tables apart.
fn is_unique(clause: &SyntaxNode, sources: &[QName], known: &Known) -> bool {
    let columns = clause.descendants().filter(|node| node.kind() == SyntaxKind::NAME_REF);
    let columns: BTreeSet<String> = columns.map(|node| name(&node)).collect();
    let tables = sources.iter().filter_map(|source| known.tables.get(source));
    tables.flat_map(|table| &table.unique).any(|key| key.iter().all(|column| columns.contains(column)))
}

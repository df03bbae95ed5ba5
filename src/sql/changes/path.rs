//! From a change to the key: the shortest way through the joins of a flat query.

use std::collections::{BTreeMap, BTreeSet};

use super::flat::{Crossing, Expr, Flat, Item, Kind, Output};
use crate::state::{QName, quote_ident, quote_idents};

/// A join by something else than equality reads much more.
const DEAR: usize = 8;

/// A query that gives keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    pub sql: String,
    /// The columns that it reads of logged rows.
    pub logged: BTreeSet<(QName, String)>,
}

/// The key of a mart, as a flat query has it.
pub(super) struct Keys<'a> {
    pub outputs: Vec<&'a Output>,
    pub names: &'a [String],
    pub types: &'a [String],
}

/// The keys that a change of this item affects; `None` where no join leads there.
pub(super) fn changed(flat: &Flat, item: Item, keys: &Keys<'_>, sources: &[QName]) -> Option<Way> {
    let selected = selected(flat, BTreeSet::from([item]), keys)?;
    let relation = |id: Item, table: &QName| {
        let number = sources.iter().position(|source| source == table)?;
        Some(if id == item { format!("{{delta:{number}}}") } else { format!("{{all:{number}}}") })
    };
    written(flat, Some(item), &selected, keys, None, &relation)
}

/// The keys of rows that crossed a bound: rows as they are now.
pub(super) fn crossed(flat: &Flat, crossing: &Crossing, keys: &Keys<'_>) -> Option<String> {
    let selected = selected(flat, crossing.crossed.items(), keys)?;
    let relation = |_: Item, table: &QName| Some(table.to_string());
    written(flat, None, &selected, keys, Some(&crossing.crossed), &relation).map(|way| way.sql)
}

/// The items that join the first ones to the key.
fn selected(flat: &Flat, first: BTreeSet<Item>, keys: &Keys<'_>) -> Option<BTreeSet<Item>> {
    let mut selected = closed(flat, first);
    let wanted: BTreeSet<Item> =
        keys.outputs.iter().filter_map(|output| output.expr.as_ref()).flat_map(Expr::items).collect();
    for item in wanted {
        if selected.contains(&item) {
            continue;
        }
        let way = shortest(flat, &selected, item)?;
        selected.extend(way);
        selected = closed(flat, selected);
    }
    Some(selected)
}

/// With what the arguments of functions are of.
fn closed(flat: &Flat, mut items: BTreeSet<Item>) -> BTreeSet<Item> {
    loop {
        let more: BTreeSet<Item> = flat
            .items
            .iter()
            .filter(|(id, _)| items.contains(id))
            .flat_map(|(_, kind)| match kind {
                Kind::Rows(expr, _) => expr.items(),
                Kind::Table(_) => BTreeSet::new(),
            })
            .filter(|item| !items.contains(item))
            .collect();
        if more.is_empty() {
            return items;
        }
        items.extend(more);
    }
}

/// Pairs of items that something joins, and how dear that is.
fn edges(flat: &Flat, selected: &BTreeSet<Item>) -> Vec<(Item, Item, usize)> {
    let mut edges = Vec::new();
    for cond in &flat.conds {
        let items: Vec<Item> = cond.expr.items().into_iter().collect();
        if let [one, other] = items[..] {
            let there = |item: &Item| selected.contains(item) || *item == one || *item == other;
            if cond.with.is_empty() || cond.with.iter().any(there) {
                edges.push((one, other, if cond.equality { 1 } else { DEAR }));
            }
        }
    }
    for (id, kind) in &flat.items {
        if let Kind::Rows(expr, _) = kind {
            edges.extend(expr.items().into_iter().map(|argument| (*id, argument, 1)));
        }
    }
    edges
}

fn shortest(flat: &Flat, from: &BTreeSet<Item>, to: Item) -> Option<Vec<Item>> {
    let edges = edges(flat, from);
    let mut costs: BTreeMap<Item, (usize, Option<Item>)> = from.iter().map(|item| (*item, (0, None))).collect();
    let mut changed = true;
    while changed {
        changed = false;
        for (one, other, cost) in
            edges.iter().flat_map(|(one, other, cost)| [(*one, *other, *cost), (*other, *one, *cost)])
        {
            let Some((so_far, _)) = costs.get(&one).copied() else { continue };
            if costs.get(&other).is_none_or(|(known, _)| so_far + cost < *known) {
                costs.insert(other, (so_far + cost, Some(one)));
                changed = true;
            }
        }
    }
    let mut way = vec![to];
    let mut at = to;
    while let Some(before) = costs.get(&at)?.1 {
        way.push(before);
        at = before;
    }
    Some(way)
}

fn written(
    flat: &Flat,
    first: Option<Item>,
    selected: &BTreeSet<Item>,
    keys: &Keys<'_>,
    crossed: Option<&Expr>,
    relation: &dyn Fn(Item, &QName) -> Option<String>,
) -> Option<Way> {
    // Rows of functions come after what they are computed from.
    let mut items: Vec<&(Item, Kind)> = flat.items.iter().filter(|(id, _)| selected.contains(id)).collect();
    items.sort_by_key(|(id, kind)| (Some(*id) != first, matches!(kind, Kind::Rows(..)), *id));
    let mut aliases: BTreeMap<Item, String> = BTreeMap::new();
    for (number, (id, _)) in items.iter().enumerate() {
        let alias = if Some(*id) == first { "d".to_owned() } else { format!("t{number}") };
        aliases.insert(*id, alias);
    }
    let alias = |id: Item| aliases.get(&id).cloned().unwrap_or_default();
    let mut used: Vec<&Expr> = Vec::new();
    let mut from = Vec::new();
    for (id, kind) in &items {
        from.push(match kind {
            Kind::Table(table) => format!("{} AS {}", relation(*id, table)?, alias(*id)),
            Kind::Rows(expr, columns) => {
                used.push(expr);
                format!("LATERAL {} AS {}({})", expr.text(&alias), alias(*id), quote_idents(columns))
            }
        });
    }
    let mut conds: Vec<String> = Vec::new();
    for cond in &flat.conds {
        let holds = cond.with.is_empty() || cond.with.iter().any(|item| selected.contains(item));
        if holds && cond.expr.items().is_subset(selected) {
            used.push(&cond.expr);
            conds.push(format!("({})", cond.expr.text(&alias)));
        }
    }
    if let Some(crossed) = crossed {
        conds.push(format!("({})", crossed.text(&alias)));
    }
    let mut targets = Vec::new();
    for ((output, name), type_name) in keys.outputs.iter().zip(keys.names).zip(keys.types) {
        let expr = output.expr.as_ref()?;
        used.push(expr);
        let text = expr.text(&alias);
        let text = if output.cast { format!("({text})::{type_name}") } else { text };
        targets.push(format!("{text} AS {}", quote_ident(name)));
    }
    conds.dedup();
    let mut sql = format!("SELECT {} FROM {}", targets.join(", "), from.join(", "));
    if !conds.is_empty() {
        sql.push_str(&format!(" WHERE {}", conds.join(" AND ")));
    }
    let mut logged = BTreeSet::new();
    for (item, column) in used.iter().flat_map(|expr| expr.columns()) {
        if let Some((_, Kind::Table(table))) = flat.items.iter().find(|(id, _)| *id == item) {
            logged.insert((table.clone(), column.to_owned()));
        }
    }
    Some(Way { sql, logged })
}

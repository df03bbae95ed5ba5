//! Which columns the key is made of, and what follows from that.

use std::collections::{BTreeMap, BTreeSet};

use squawk_syntax::SyntaxNode;

use super::flat::{Flat, Item, Kind, Output, Place, Within};
use super::path::{Keys, Way, changed, crossed};
use super::render::place;
use super::{Known, Obstacle, block};
use crate::state::{ChangeSource, Changes, KeyColumn, KeyRange, LoggedColumn, Moving, QName};

/// More columns than these are taken only where they are the mart's own key.
const MAX_COLUMNS: usize = 6;

/// What a choice is made from.
pub(super) struct Choice<'a> {
    pub flats: &'a [Flat],
    pub sources: &'a [QName],
    pub output: &'a [(String, String)],
    pub prefer: &'a [String],
    pub known: &'a Known,
    pub root: &'a SyntaxNode,
    /// The server's text.
    pub text: &'a str,
}

impl Choice<'_> {
    /// The key by which most sources find the rows they affect; of several the first.
    pub fn best(&self) -> Result<Changes, Obstacle> {
        let candidates: Vec<usize> = (0..self.output.len()).filter(|at| self.commutes(*at)).collect();
        let mut best: Option<(usize, Changes)> = None;
        for set in self.sets(&candidates) {
            let Some(found) = self.derived(&set) else { continue };
            let reached = found.sources.iter().filter(|source| source.affected.is_some()).count();
            if reached > 0 && best.as_ref().is_none_or(|(known, _)| reached > *known) {
                best = Some((reached, found));
            }
        }
        match best {
            Some((_, found)) => Ok(found),
            None if candidates.is_empty() => Err(self.without_key()),
            None if self.flats.iter().any(|flat| !flat.crossings.is_empty()) => Err(Obstacle::at(
                "now",
                "a bound moves, and no join leads from the rows that cross it to the rows of the mart",
            )),
            None => Err(self.without_way()),
        }
    }

    fn without_way(&self) -> Obstacle {
        let tables: Vec<String> = self.sources.iter().map(ToString::to_string).collect();
        let why = "no join leads from each place where it is read to the rows of the mart";
        Obstacle::at("", format!("a change of {} may mean any row: {why}", tables.join(" or ")))
    }

    fn without_key(&self) -> Obstacle {
        if let Some(why) = block::why(self.root, self.known) {
            return why;
        }
        let names: Vec<&str> = self.output.iter().map(|(name, _)| name.as_str()).collect();
        Obstacle::at(
            "SELECT",
            format!("no column of the result ({}) tells the rows apart that a change may affect", names.join(", ")),
        )
    }

    fn outputs(&self, at: usize) -> impl Iterator<Item = Option<&Output>> {
        self.flats.iter().map(move |flat| flat.outputs.get(at).filter(|output| output.expr.is_some()))
    }

    fn commutes(&self, at: usize) -> bool {
        let typed = self.output.get(at).is_some_and(|(_, type_name)| self.known.keys.contains(type_name));
        let varies = |output: Option<&Output>| {
            output.and_then(|output| output.expr.as_ref()).is_some_and(|expr| !expr.items().is_empty())
        };
        typed && self.outputs(at).all(|output| output.is_some()) && self.outputs(at).any(varies)
    }

    /// Sets of columns to try, the best first.
    fn sets(&self, candidates: &[usize]) -> Vec<Vec<usize>> {
        let mut sets: Vec<Vec<usize>> = Vec::new();
        let position = |name: &String| self.output.iter().position(|(known, _)| known == name);
        let preferred: Option<Vec<usize>> = self.prefer.iter().map(position).collect();
        if let Some(preferred) = preferred.filter(|set| !set.is_empty()) {
            if preferred.iter().all(|at| candidates.contains(at)) {
                sets.push(preferred);
            } else {
                sets.push(preferred.into_iter().filter(|at| candidates.contains(at)).collect());
            }
        }
        let mut of_items: BTreeMap<Item, Vec<usize>> = BTreeMap::new();
        if let Some(flat) = self.flats.first() {
            for at in candidates {
                let items = flat.outputs.get(*at).and_then(|output| output.expr.as_ref()).map(|expr| expr.items());
                for item in items.into_iter().flatten() {
                    of_items.entry(item).or_default().push(*at);
                }
            }
            // The keys of tables, as far as the result shows them.
            for (item, columns) in &of_items {
                sets.extend(self.unique(flat, *item, columns));
            }
        }
        if candidates.len() <= MAX_COLUMNS {
            sets.push(candidates.to_vec());
        }
        let mut by_item: Vec<Vec<usize>> = of_items.into_values().filter(|set| set.len() <= MAX_COLUMNS).collect();
        by_item.sort_by_key(|set| std::cmp::Reverse(set.len()));
        sets.extend(by_item);
        sets.extend(candidates.iter().map(|at| vec![*at]));
        sets.retain(|set| !set.is_empty());
        let mut seen = BTreeSet::new();
        sets.retain(|set| seen.insert(set.clone()));
        sets
    }

    fn unique(&self, flat: &Flat, item: Item, columns: &[usize]) -> Vec<Vec<usize>> {
        let Some((_, Kind::Table(table))) = flat.items.iter().find(|(id, _)| *id == item) else { return Vec::new() };
        let keys = self.known.tables.get(table).map(|table| table.unique.as_slice()).unwrap_or_default();
        let shown = |column: &String| {
            columns.iter().copied().find(|at| {
                let expr = flat.outputs.get(*at).and_then(|output| output.expr.as_ref());
                expr.and_then(|expr| expr.as_column()) == Some((item, column.as_str()))
            })
        };
        keys.iter().filter_map(|key| key.iter().map(shown).collect()).collect()
    }

    /// What follows from a key of these columns.
    fn derived(&self, set: &[usize]) -> Option<Changes> {
        let names: Vec<String> = set.iter().map(|at| self.output[*at].0.clone()).collect();
        let types: Vec<String> = set.iter().map(|at| self.output[*at].1.clone()).collect();
        let keys =
            |flat: &'_ Flat| -> Option<Vec<Output>> { set.iter().map(|at| flat.outputs.get(*at).cloned()).collect() };
        let mut texts: Vec<Option<Vec<String>>> = vec![Some(Vec::new()); self.sources.len()];
        let mut logged: BTreeSet<(QName, String)> = BTreeSet::new();
        let mut moving: Vec<Moving> = Vec::new();
        for flat in self.flats {
            let outputs = keys(flat)?;
            let keys = Keys { outputs: outputs.iter().collect(), names: &names, types: &types };
            for (item, kind) in &flat.items {
                let Kind::Table(table) = kind else { continue };
                let number = self.sources.iter().position(|source| source == table)?;
                match changed(flat, *item, &keys, self.sources) {
                    Some(Way { sql, logged: columns }) => {
                        logged.extend(columns);
                        if let Some(known) = texts[number].as_mut().filter(|known| !known.contains(&sql)) {
                            known.push(sql);
                        }
                    }
                    None => texts[number] = None,
                }
            }
            for crossing in &flat.crossings {
                let affected = crossed(flat, crossing, &keys)?;
                match moving.iter_mut().find(|known| known.bound == crossing.bound) {
                    Some(known) if known.affected.contains(&affected) => {}
                    Some(known) => known.affected = format!("{} UNION {affected}", known.affected),
                    None => moving.push(Moving { bound: crossing.bound.clone(), affected }),
                }
            }
        }
        let sources = self.sources.iter().zip(texts).map(|(table, texts)| self.source(table, texts, &logged)).collect();
        let (key, query) = self.placed(set, &names, &types);
        Some(Changes { key, sources, moving, query, ..Changes::default() })
    }

    fn source(&self, table: &QName, texts: Option<Vec<String>>, logged: &BTreeSet<(QName, String)>) -> ChangeSource {
        let known = self.known.tables.get(table).cloned().unwrap_or_default();
        let is_logged = |name: &String| logged.contains(&(table.clone(), name.clone()));
        let columns = known.columns.into_iter().filter(|(name, _)| is_logged(name));
        let columns = columns.map(|(name, type_name)| LoggedColumn { name, type_name });
        let collations = known.collations.into_iter().filter(|(name, _)| is_logged(name));
        let affected = texts.filter(|texts| !texts.is_empty()).map(|texts| match &texts[..] {
            [one] => one.replacen("SELECT ", "SELECT DISTINCT ", 1),
            _ => texts.join("\nUNION\n"),
        });
        ChangeSource { table: table.clone(), columns: columns.collect(), collations: collations.collect(), affected }
    }

    /// The key, and the query with the places for conditions on what it is computed from.
    fn placed(&self, set: &[usize], names: &[String], types: &[String]) -> (Vec<KeyColumn>, String) {
        let mut key = Vec::new();
        let mut places: Vec<(Place, String)> = Vec::new();
        for (number, at) in set.iter().enumerate() {
            let mut ranges = self.outputs(*at).map(|output| output.and_then(|output| output.range.as_ref()));
            let first: Option<&Within> = ranges.next().flatten();
            let range = first.filter(|first| ranges.all(|other| other == Some(*first)));
            if let Some(range) = range {
                places.push((range.place, place(number)));
            }
            key.push(KeyColumn {
                name: names[number].clone(),
                type_name: types[number].clone(),
                range: range.map(|range| KeyRange {
                    column: range.column.clone(),
                    type_name: range.type_name.clone(),
                    step: range.step.clone(),
                }),
            });
        }
        (key, with_places(self.text, &places))
    }
}

/// The text with the places in it.
fn with_places(text: &str, places: &[(Place, String)]) -> String {
    let mut joined: Vec<(Place, String)> = Vec::new();
    for (place, name) in places {
        match joined.iter_mut().find(|(known, _)| known == place) {
            Some((_, names)) => names.push_str(&format!(" AND {name}")),
            None => joined.push((*place, name.clone())),
        }
    }
    let end = |place: &Place| match place {
        Place::And(_, end) | Place::Where(end) => *end,
    };
    joined.sort_by_key(|(place, _)| std::cmp::Reverse(end(place)));
    let mut text = text.to_owned();
    for (place, names) in joined {
        match place {
            Place::Where(at) => text.insert_str(at, &format!("\n  WHERE {names}")),
            Place::And(start, end) => {
                text.insert_str(end, &format!(") AND {names}"));
                text.insert(start, '(');
            }
        }
    }
    text
}

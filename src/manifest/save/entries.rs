//! Lists of tables, `[[indexes]]` and `[[grants]]`: which entry is which, and editing only those that differ.

use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, Table};

use super::edit::{remove, without};
use super::home::Home;
use super::list;

/// How many entries a list has.
pub(super) fn count(item: Option<&Item>) -> usize {
    match item {
        Some(Item::ArrayOfTables(tables)) => tables.len(),
        Some(Item::Value(value)) => value.as_array().map_or(0, |array| array.len()),
        _ => 0,
    }
}

/// Whether two entries are the same one, changed.
pub(super) type Alike<T> = fn(&T, &T) -> bool;

/// Entries in the order they will have in the file: each with its place in the old list, if it is there.
pub(super) struct Matched<'a, T> {
    pub entries: Vec<(Option<usize>, &'a T)>,
    /// Places of old entries that go.
    gone: Vec<usize>,
}

/// Finds which new entry is which old one: equal ones first, then by each of `alike`.
pub(super) fn matched<'a, T: PartialEq>(old: &[T], new: &'a [T], alike: &[Alike<T>]) -> Matched<'a, T> {
    let mut found: Vec<Option<usize>> = vec![None; old.len()];
    let mut free: Vec<usize> = (0..new.len()).collect();
    let equal: Alike<T> = |a, b| a == b;
    for alike in std::iter::once(&equal).chain(alike) {
        for (i, old) in old.iter().enumerate().filter(|(i, _)| found.get(*i) == Some(&None)).collect::<Vec<_>>() {
            if let Some(at) = free.iter().position(|j| alike(old, &new[*j])) {
                found[i] = Some(free.remove(at));
            }
        }
    }
    let stay = found.iter().enumerate().filter_map(|(i, j)| Some((Some(i), &new[(*j)?])));
    let added = free.iter().map(|j| (None, &new[*j]));
    let gone = (0..old.len()).filter(|i| found[*i].is_none()).collect();
    Matched { entries: stay.chain(added).collect(), gone }
}

/// Edits a list: `fill` is called with each entry's table, its place in `matched.entries` and its place in the old list.
pub(super) fn edit<T>(
    document: &mut DocumentMut,
    key: &str,
    matched: &Matched<'_, T>,
    fill: impl Fn(&mut Home<'_>, usize, Option<usize>),
) {
    if matched.entries.is_empty() {
        return remove(document, key);
    }
    if count(document.get(key)) == 0 {
        remove(document, key);
        document.insert(key, ArrayOfTables::new().into());
    }
    let mut out: Vec<Table> = Vec::new();
    match document.get_mut(key) {
        Some(Item::ArrayOfTables(tables)) => {
            for (i, (place, _)) in matched.entries.iter().enumerate() {
                match place {
                    Some(old) => {
                        if let Some(table) = tables.get_mut(*old) {
                            fill(&mut Home::Table(table), i, Some(*old));
                        }
                    }
                    None => {
                        let mut table = Table::new();
                        fill(&mut Home::Table(&mut table), i, None);
                        tables.push(table);
                    }
                }
            }
            out.extend(matched.gone.iter().rev().map(|i| tables.remove(*i)));
        }
        Some(Item::Value(value)) => {
            let Some(array) = value.as_array_mut() else {
                return;
            };
            let mut added = Vec::new();
            for (i, (place, _)) in matched.entries.iter().enumerate() {
                match place {
                    Some(old) => {
                        if let Some(mut home) = array.get_mut(*old).and_then(Home::of_value) {
                            fill(&mut home, i, Some(*old));
                        }
                    }
                    None => {
                        let mut table = InlineTable::new();
                        fill(&mut Home::Inline(&mut table), i, None);
                        added.push(table);
                    }
                }
            }
            list::change(array, &matched.gone, added);
        }
        _ => {}
    }
    for table in &out {
        without(document, table);
    }
}

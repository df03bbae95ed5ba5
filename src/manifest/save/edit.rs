//! Keys at the top of a manifest: where a new one goes, and what becomes of the comments of one that is taken out.

use toml_edit::{Decor, DocumentMut, Item, Key, Table, Value};

use super::home::replace;

/// The order of a new file, for people.
const ORDER: &[&str] = &[
    "type",
    "name",
    "schema",
    "description",
    "query",
    "query_file",
    "owner",
    "tablespace",
    "with",
    "session",
    "grants",
];

/// Sets a key's value; a new key comes behind those that come before it in a new file.
pub(super) fn put(document: &mut DocumentMut, key: &str, value: Value) {
    if let Some(Item::Value(old)) = document.get_mut(key) {
        return replace(old, value);
    }
    let root = document.as_table_mut();
    let keys: Vec<String> = root.iter().map(|(known, _)| known.to_owned()).collect();
    let rank = |key: &str| ORDER.iter().position(|known| *known == key);
    let before = keys.iter().rposition(|known| rank(known).is_some_and(|known| Some(known) < rank(key)));
    let behind = keys.get(before.map_or(0, |at| at + 1)..).unwrap_or_default();
    let moved: Vec<(Key, Item)> = behind.iter().filter_map(|key| root.remove_entry(key)).collect();
    root.insert(key, value.into());
    for (key, item) in moved {
        root.insert_formatted(&key, item);
    }
}

/// Puts another key and its value in a key's place, between the same blanks and comments.
pub(super) fn instead(document: &mut DocumentMut, old: &str, key: &str, value: Value) {
    let root = document.as_table_mut();
    let behind = root.iter().map(|(known, _)| known.to_owned()).skip_while(|known| known != old).skip(1);
    let behind: Vec<String> = behind.collect();
    let Some((name, Item::Value(mut was))) = root.remove_entry(old) else {
        return;
    };
    let moved: Vec<(Key, Item)> = behind.iter().filter_map(|key| root.remove_entry(key)).collect();
    replace(&mut was, value);
    root.insert_formatted(&Key::new(key).with_leaf_decor(name.leaf_decor().clone()), was.into());
    for (key, item) in moved {
        root.insert_formatted(&key, item);
    }
}

/// Takes a key out. The comment right above it goes with it; what an empty line sets apart stays, as does a comment at the
/// beginning of the file.
pub(super) fn remove(document: &mut DocumentMut, key: &str) {
    let root = document.as_table_mut();
    let keys: Vec<String> = root.iter().map(|(known, _)| known.to_owned()).collect();
    let Some(at) = keys.iter().position(|known| known == key) else {
        return;
    };
    let Some((name, item)) = root.remove_entry(key) else {
        return;
    };
    match item {
        Item::Value(_) => {
            let comments = kept(prefix(name.leaf_decor()), at == 0);
            let next = keys[at + 1..].iter().find(|key| root.get(key).is_some_and(Item::is_value));
            match next.and_then(|next| root.key_mut(next)) {
                Some(mut next) => prepend(next.leaf_decor_mut(), &comments),
                None => before_tables(document, isize::MIN, &comments),
            }
        }
        Item::Table(table) => without(document, &table),
        Item::ArrayOfTables(tables) => {
            for table in tables.iter() {
                without(document, table);
            }
        }
        Item::None => {}
    }
}

/// Keeps the comments of a table that was taken out.
pub(super) fn without(document: &mut DocumentMut, table: &Table) {
    let comments = kept(prefix(table.decor()), false);
    before_tables(document, table.position().unwrap_or(isize::MAX), &comments);
}

/// Puts comments before the first table behind a position, or at the end.
fn before_tables(document: &mut DocumentMut, position: isize, comments: &str) {
    if comments.is_empty() {
        return;
    }
    let next = first_behind(document.as_table(), position);
    match next.and_then(|next| table_at(document.as_table_mut(), next)) {
        Some(table) => prepend(table.decor_mut(), comments),
        None => {
            let trailing = document.trailing().as_str().unwrap_or_default().to_owned();
            document.set_trailing(format!("{comments}{trailing}"));
        }
    }
}

pub(super) fn prefix(decor: &Decor) -> &str {
    decor.prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default()
}

fn prepend(decor: &mut Decor, comments: &str) {
    if !comments.is_empty() {
        let prefix = format!("{comments}{}", prefix(decor).trim_start_matches('\n'));
        decor.set_prefix(prefix);
    }
}

/// What of the lines above a key or a header is not about it.
pub(super) fn kept(above: &str, all: bool) -> String {
    let end = if all { above.len() } else { above.rfind("\n\n").map_or(0, |at| at + 2) };
    let kept = &above[..end];
    if kept.contains('#') { kept.to_owned() } else { String::new() }
}

/// The tables below one that have a header, at any depth.
fn tables(table: &Table) -> Vec<&Table> {
    let direct = table.iter().flat_map(|(_, item)| match item {
        Item::Table(table) => vec![table],
        Item::ArrayOfTables(tables) => tables.iter().collect(),
        Item::None | Item::Value(_) => Vec::new(),
    });
    direct.flat_map(|table| std::iter::once(table).chain(tables(table))).collect()
}

/// The place in the file of the first table behind a place.
fn first_behind(root: &Table, position: isize) -> Option<isize> {
    tables(root).into_iter().filter_map(Table::position).filter(|at| *at > position).min()
}

/// The table at a place.
fn table_at(table: &mut Table, position: isize) -> Option<&mut Table> {
    for (_, item) in table.iter_mut() {
        let direct: Vec<&mut Table> = match item {
            Item::Table(table) => vec![table],
            Item::ArrayOfTables(tables) => tables.iter_mut().collect(),
            Item::None | Item::Value(_) => Vec::new(),
        };
        for table in direct {
            if table.position() == Some(position) {
                return Some(table);
            }
            if first_behind(table, position - 1) == Some(position) {
                return table_at(table, position);
            }
        }
    }
    None
}

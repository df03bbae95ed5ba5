//! A list of tables in braces: entries come and go with their own comments.

use toml_edit::{Array, InlineTable, Value};

use super::edit::{kept, prefix};

/// An entry and what is about it.
struct Entry {
    /// The lines above it, from the end of the line before, and its indent.
    above: String,
    value: Value,
    /// From its comma to the end of the line.
    behind: String,
}

/// Takes the entries at `gone`, in order, out of a list and puts new ones behind the others.
pub(super) fn change(array: &mut Array, gone: &[usize], added: Vec<InlineTable>) {
    if gone.is_empty() && added.is_empty() {
        return;
    }
    let (opening, mut entries, mut closing) = apart(array);
    let first = entries.first().map(|entry| indent(&entry.above)).unwrap_or_default();
    let next = match entries.as_slice() {
        [.., _, last] => indent(&last.above),
        _ if first.contains('\n') => first.clone(),
        _ => " ".to_owned(),
    };
    for at in gone.iter().rev() {
        let stays = kept(&entries.remove(*at).above, false);
        let above = entries.get_mut(*at).map_or(&mut closing, |next| &mut next.above);
        if !stays.is_empty() {
            *above = format!("{stays}{}", above.trim_start_matches('\n'));
        }
    }
    for table in added {
        let above = next.clone();
        entries.push(Entry { above, value: table.into(), behind: String::new() });
    }
    if let Some(entry) = entries.first_mut().filter(|entry| !entry.above.contains('\n')) {
        entry.above = first;
    }
    let comma = array.trailing_comma();
    array.clear();
    let mut line = opening;
    for Entry { above, mut value, behind } in entries {
        value.decor_mut().set_prefix(joined(&line, &above));
        array.push_formatted(value);
        line = behind;
    }
    let tail = joined(&line, &closing);
    match array.iter_mut().last().filter(|_| !comma) {
        Some(last) => {
            let suffix = format!("{}{tail}", suffix(last));
            last.decor_mut().set_suffix(suffix);
            array.set_trailing("");
        }
        None => array.set_trailing(tail),
    }
}

/// A list's entries, the rest of the line that it begins on, and what follows the line of its last entry.
fn apart(array: &Array) -> (String, Vec<Entry>, String) {
    let mut opening = String::new();
    let mut entries: Vec<Entry> = Vec::new();
    for value in array.iter() {
        let (line, above) = split(prefix(value.decor()));
        entries.last_mut().map_or(&mut opening, |last| &mut last.behind).push_str(line);
        entries.push(Entry { above: above.to_owned(), value: value.clone(), behind: String::new() });
    }
    let mut tail = array.trailing().as_str().unwrap_or_default().to_owned();
    // Without a comma behind it, the last value has it all.
    if let Some(last) = entries.last_mut().filter(|_| !array.trailing_comma()) {
        tail.insert_str(0, suffix(&last.value));
        last.value.decor_mut().set_suffix("");
    }
    let (line, closing) = split(&tail);
    entries.last_mut().map_or(&mut opening, |last| &mut last.behind).push_str(line);
    (opening, entries, closing.to_owned())
}

fn suffix(value: &Value) -> &str {
    value.decor().suffix().and_then(|suffix| suffix.as_str()).unwrap_or_default()
}

/// The rest of a line, where one ends, and what follows.
fn split(between: &str) -> (&str, &str) {
    between.split_at(between.find('\n').unwrap_or(0))
}

/// The last line of what stands above an entry.
fn indent(above: &str) -> String {
    above[above.rfind('\n').unwrap_or(0)..].to_owned()
}

/// The rest of a line and what follows; a comment ends with its line.
fn joined(line: &str, rest: &str) -> String {
    let end = if line.contains('#') && !rest.starts_with('\n') { "\n" } else { "" };
    format!("{line}{end}{rest}")
}

//! Reading selectors.

use super::{Atom, STATES, Selector, What, Word};

/// A whole selector.
pub(super) fn selector(text: &str) -> Result<Selector, String> {
    let mut groups: Vec<Vec<Atom>> = Vec::new();
    let mut joined = false;
    let mut rest = text.trim_start();
    if rest.is_empty() {
        return Err("the selector is empty".to_owned());
    }
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix(',') {
            if joined || groups.is_empty() {
                return Err(format!("a comma in {text:?} has nothing before it"));
            }
            joined = true;
            rest = after.trim_start();
            continue;
        }
        let (length, atom) = atom(rest)?;
        match groups.last_mut() {
            Some(group) if joined => group.push(atom),
            _ => groups.push(vec![atom]),
        }
        joined = false;
        rest = rest[length..].trim_start();
    }
    if joined {
        return Err(format!("a comma in {text:?} has nothing behind it"));
    }
    Ok(Selector { groups })
}

/// `name` or `schema.name`; `None` where the text is something else.
pub(super) fn name(text: &str) -> Option<(Option<Word>, Word)> {
    let parts = split(text).ok()?;
    let mut parts = parts.into_iter();
    match (parts.next(), parts.next(), parts.next()) {
        (Some(name), None, _) => Some((None, name)),
        (Some(schema), Some(name), None) => Some((Some(schema), name)),
        _ => None,
    }
}

/// The atom at the start of `rest`, and its bytes.
fn atom(rest: &str) -> Result<(usize, Atom), String> {
    let length = end(rest)?;
    let text = &rest[..length];
    let upstream = text.starts_with('+');
    let body = text.strip_prefix('+').unwrap_or(text);
    let downstream = body.ends_with('+');
    let body = body.strip_suffix('+').unwrap_or(body);
    if body.is_empty() {
        return Err(format!("{text:?} names nothing"));
    }
    let prefix = ["tag", "path", "schema", "state"]
        .into_iter()
        .find_map(|prefix| Some((prefix, body.strip_prefix(prefix)?.strip_prefix(':')?)));
    let what = match prefix {
        Some((prefix, value)) => {
            let word = whole(value).map_err(|()| format!("{text:?} has no value, or a quote in its middle"))?;
            match prefix {
                "tag" => What::Tag(word),
                "path" => What::Path(word),
                "schema" => What::Schema(word),
                _ => state(word)?,
            }
        }
        None => {
            let (schema, name) = name(body).ok_or_else(|| unreadable(body))?;
            What::Name { schema, name }
        }
    };
    Ok((length, Atom { text: body.to_owned(), what, upstream, downstream }))
}

fn state(word: Word) -> Result<What, String> {
    if STATES.contains(&word.text.as_str()) {
        Ok(What::State(word.text))
    } else {
        Err(format!("state:{} is unknown; there are {}", word.text, STATES.join(", ")))
    }
}

fn unreadable(body: &str) -> String {
    match body.split_once(':') {
        Some((prefix, _)) if !body.contains('"') => {
            format!("{prefix}: is unknown; there are tag:, path:, schema: and state:")
        }
        _ => format!("{body:?} is not a name; a name with special characters stands in double quotes"),
    }
}

/// Where the atom ends: at a space or a comma outside double quotes.
fn end(text: &str) -> Result<usize, String> {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => return Ok(at),
            c if c.is_whitespace() && !quoted => return Ok(at),
            _ => {}
        }
    }
    if quoted {
        return Err(format!("a double quote in {text:?} is not closed"));
    }
    Ok(text.len())
}

/// One word, quoted as a whole or not at all.
fn whole(text: &str) -> Result<Word, ()> {
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(inner) if !inner.is_empty() => Ok(Word { text: inner.replace("\"\"", "\""), quoted: true }),
        None if !text.is_empty() && !text.contains('"') => Ok(Word { text: text.to_owned(), quoted: false }),
        _ => Err(()),
    }
}

/// The parts between dots outside double quotes.
fn split(text: &str) -> Result<Vec<Word>, ()> {
    let mut parts = Vec::new();
    let (mut start, mut quoted) = (0, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            ':' if !quoted => return Err(()),
            '.' if !quoted => {
                parts.push(whole(&text[start..at])?);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(whole(&text[start..])?);
    Ok(parts)
}

//! An index as PostgreSQL prints it, as a declaration.

use std::collections::BTreeMap;

use crate::catalog::Index;
use crate::sql::parse_qualified_name;
use crate::state::{IndexDecl, IndexKey};

/// The declaration of a live index from a text the server prints for it; `None` where that is not understood.
pub(super) fn declaration(name: &str, text: &str, index: &Index) -> Option<IndexDecl> {
    let mut rest = Text { text };
    while rest.word()? != "USING" {}
    let method = rest.word()?;
    let keys = rest.brackets()?;
    let mut decl = IndexDecl {
        name: name.to_owned(),
        keys: split(keys).into_iter().map(key).collect::<Option<_>>()?,
        unique: index.unique,
        method: single(method)?,
        include: Vec::new(),
        predicate: None,
        with: BTreeMap::new(),
        tablespace: index.tablespace.clone(),
        nulls_not_distinct: false,
    };
    if rest.eat("INCLUDE") {
        decl.include = split(rest.brackets()?).into_iter().map(single).collect::<Option<_>>()?;
    }
    decl.nulls_not_distinct = rest.eat("NULLS NOT DISTINCT");
    if rest.eat("WITH") {
        for option in split(rest.brackets()?) {
            let (key, value) = option.split_once('=')?;
            decl.with.insert(single(key)?, unquoted(value));
        }
    }
    if rest.eat("WHERE") {
        decl.predicate = Some(bare(rest.text.trim()).to_owned());
        rest.text = "";
    }
    rest.text.trim().is_empty().then_some(decl)
}

/// One key: `lower(email) COLLATE "C" text_pattern_ops DESC NULLS LAST`.
fn key(text: &str) -> Option<IndexKey> {
    let mut rest = Text { text };
    let term = rest.term();
    let expression = single(term).is_none();
    let mut key = IndexKey {
        term: match single(term) {
            Some(column) => column,
            None => format!("({})", bare(term)),
        },
        expression,
        descending: false,
        nulls_first: None,
        opclass: None,
        collation: None,
    };
    if rest.eat("COLLATE") {
        key.collation = Some(plain(rest.word()?));
    }
    let mut ahead = Text { text: rest.text };
    if ahead.word().is_some_and(|word| !matches!(word, "DESC" | "NULLS")) {
        let mut opclass = plain(rest.word()?);
        if rest.text.trim_start().starts_with('(') {
            opclass.push_str(&format!(" ({})", rest.brackets()?));
        }
        key.opclass = Some(opclass);
    }
    key.descending = rest.eat("DESC");
    if rest.eat("NULLS FIRST") {
        key.nulls_first = Some(true);
    } else if rest.eat("NULLS LAST") {
        key.nulls_first = Some(false);
    }
    rest.text.trim().is_empty().then_some(key)
}

/// A perhaps qualified name as manifests write it: without quotes where nothing can be mistaken.
fn plain(text: &str) -> String {
    match single(text) {
        Some(name) if !name.contains(['.', '"', '(']) => name,
        _ => text.to_owned(),
    }
}

/// The one identifier that a text is.
fn single(text: &str) -> Option<String> {
    let text = text.trim();
    let quoted = text.starts_with('"');
    let word = text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$');
    if !quoted && !word {
        return None;
    }
    match parse_qualified_name(text)?.as_slice() {
        [name] => Some(name.clone()),
        _ => None,
    }
}

/// A string constant's text, or a bare value.
fn unquoted(value: &str) -> String {
    match value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')) {
        Some(inner) => inner.replace("''", "'"),
        None => value.to_owned(),
    }
}

/// An expression without the brackets that enclose all of it.
fn bare(text: &str) -> &str {
    let mut text = text.trim();
    while text.starts_with('(') && end_of_brackets(text) == Some(text.len()) {
        text = text[1..text.len() - 1].trim();
    }
    text
}

/// The parts of a list, at its own commas.
fn split(list: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < list.len() {
        let rest = &list[at..];
        match rest.as_bytes()[0] {
            b',' => {
                parts.push(list[start..at].trim());
                at += 1;
                start = at;
            }
            _ => at += step(rest),
        }
    }
    parts.push(list[start..].trim());
    parts
}

/// The length of what stands at the start of `text`: brackets, a constant or a quoted name as a whole, else a character.
fn step(text: &str) -> usize {
    match text.as_bytes()[0] {
        b'(' | b'[' => end_of_brackets(text).unwrap_or(text.len()),
        quote @ (b'\'' | b'"') => {
            let mut at = 1;
            while let Some(found) = text[at..].find(quote as char) {
                at += found + 1;
                if text.as_bytes().get(at) != Some(&quote) {
                    return at;
                }
                at += 1;
            }
            text.len()
        }
        _ => text.chars().next().map_or(1, char::len_utf8),
    }
}

/// Where the brackets at the start of `text` end.
fn end_of_brackets(text: &str) -> Option<usize> {
    let mut at = 1;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with([')', ']']) {
            return Some(at + 1);
        }
        at += step(rest);
    }
    None
}

/// What is left of a text.
struct Text<'a> {
    text: &'a str,
}

impl<'a> Text<'a> {
    /// Up to the next white space that is in no brackets and no quotes; brackets after white space begin something else.
    fn term(&mut self) -> &'a str {
        let text = self.text.trim_start();
        let mut at = 0;
        while at < text.len() && !text[at..].starts_with(char::is_whitespace) {
            at += step(&text[at..]);
        }
        self.text = &text[at..];
        &text[..at]
    }

    /// A word, up to white space or brackets.
    fn word(&mut self) -> Option<&'a str> {
        let text = self.text.trim_start();
        let mut at = 0;
        while at < text.len() && !text[at..].starts_with(|c: char| c.is_whitespace() || c == '(') {
            at += step(&text[at..]);
        }
        self.text = &text[at..];
        (at > 0).then(|| &text[..at])
    }

    /// What stands in the brackets that follow.
    fn brackets(&mut self) -> Option<&'a str> {
        let text = self.text.trim_start();
        let end = text.starts_with('(').then(|| end_of_brackets(text)).flatten()?;
        self.text = &text[end..];
        Some(&text[1..end - 1])
    }

    /// Whether these words follow; then they are behind.
    fn eat(&mut self, words: &str) -> bool {
        let rest = self.text.trim_start().strip_prefix(words);
        match rest.filter(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')) {
            Some(rest) => {
                self.text = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> IndexDecl {
        let index = Index {
            definition: format!("CREATE INDEX \"a, (b) USING c\" ON s.m USING {body}"),
            unique: false,
            primary: false,
            valid: true,
            clustered: false,
            partial: false,
            expressions: false,
            tablespace: None,
            constraint: None,
            comment: None,
            keys: Vec::new(),
        };
        declaration("i", &index.definition, &index).unwrap_or_else(|| panic!("not understood: {body}"))
    }

    #[test]
    fn columns_and_how_they_are_sorted() {
        let keys =
            read("btree (day DESC NULLS LAST, \"Weird, (name)\" COLLATE \"C\" text_pattern_ops, a NULLS FIRST)").keys;
        assert_eq!((keys[0].term.as_str(), keys[0].descending, keys[0].nulls_first), ("day", true, Some(false)));
        assert_eq!(keys[1].term, "Weird, (name)");
        assert_eq!((keys[1].collation.as_deref(), keys[1].opclass.as_deref()), (Some("C"), Some("text_pattern_ops")));
        assert!(keys.iter().all(|key| !key.expression));
        assert_eq!((keys[2].descending, keys[2].nulls_first), (false, Some(true)));
    }

    #[test]
    fn expressions_keep_one_pair_of_brackets() {
        let terms = |body| read(body).keys.into_iter().map(|key| key.term).collect::<Vec<_>>();
        assert_eq!(
            terms("btree (lower(email), ((a + b)), (((data ->> 'x, ''y'::text))::integer) DESC)"),
            ["(lower(email))", "(a + b)", "(((data ->> 'x, ''y'::text))::integer)"]
        );
        assert_eq!(terms("btree (pg_catalog.lower(a), ((a)::text))"), ["(pg_catalog.lower(a))", "((a)::text)"]);
        assert!(read("btree (((a))::text)").keys[0].expression);
    }

    #[test]
    fn everything_behind_the_keys() {
        let index = read(
            "gist (name public.gist_trgm_ops (siglen='32')) INCLUDE (\"Total\", b) NULLS NOT DISTINCT WITH (fillfactor='90', buffering=auto) WHERE ((a > 0) AND (b > 0))",
        );
        assert_eq!(index.method, "gist");
        assert_eq!(index.keys[0].opclass.as_deref(), Some("public.gist_trgm_ops (siglen='32')"));
        assert_eq!(index.include, ["Total", "b"]);
        assert!(index.nulls_not_distinct);
        assert_eq!(index.with["fillfactor"], "90");
        assert_eq!(index.with["buffering"], "auto");
        assert_eq!(index.predicate.as_deref(), Some("(a > 0) AND (b > 0)"));
    }
}

//! Where a query stands in its file: from characters of the decoded text to bytes of the file.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Place, QuerySource};

impl QuerySource {
    /// A whole file.
    pub(super) fn file(file: PathBuf, text: Arc<str>) -> Self {
        Self { file, start: 0, offsets: None, text }
    }

    /// A TOML string: `literal` is its place with the quotes, `decoded` what it means.
    pub(super) fn literal(file: PathBuf, text: Arc<str>, literal: Range<usize>, decoded: &str) -> Self {
        let raw = text.get(literal.clone()).unwrap_or("");
        let quotes = if raw.starts_with("\"\"\"") || raw.starts_with("'''") { 3 } else { 1 };
        let basic = raw.starts_with('"');
        let mut inner = raw.get(quotes..raw.len().saturating_sub(quotes)).unwrap_or("");
        let mut start = literal.start + quotes;
        if quotes == 3 {
            // A newline right behind the quotes is not part of the string.
            let newline = if inner.starts_with("\r\n") { 2 } else { usize::from(inner.starts_with('\n')) };
            inner = &inner[newline..];
            start += newline;
        }
        let same = inner == decoded;
        let offsets = (!same).then(|| offsets(inner, start, decoded, basic));
        Self { file, start, offsets, text }
    }

    /// Bytes in the file for bytes of the decoded query.
    pub(super) fn file_span(&self, decoded: &str, span: Range<usize>) -> Range<usize> {
        let Some(offsets) = &self.offsets else {
            return self.start + span.start..self.start + span.end;
        };
        let index = |byte: usize| {
            let mut byte = byte.min(decoded.len());
            while !decoded.is_char_boundary(byte) {
                byte -= 1;
            }
            decoded[..byte].chars().count()
        };
        let at = |i: usize| offsets.get(i).or(offsets.last()).copied().unwrap_or(self.start);
        at(index(span.start))..at(index(span.end))
    }

    /// The place of a character of `query` (1-based, as PostgreSQL counts), with the word that begins there.
    pub fn place(&self, query: &str, position: usize) -> Option<Place> {
        let (start, first) = query.char_indices().nth(position.checked_sub(1)?)?;
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let rest = &query[start..];
        let length = if first == '"' {
            rest[1..].find('"').map_or(1, |i| i + 2)
        } else if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let span = self.file_span(query, start..start + length);
        Some(Place::new(self.text.clone(), span))
    }
}

/// For each character of `decoded`, and for its end, the byte in the file.
fn offsets(raw: &str, start: usize, decoded: &str, basic: bool) -> Vec<usize> {
    let mut out = Vec::with_capacity(decoded.len() + 1);
    let mut at = 0;
    for c in decoded.chars() {
        at = skip_nothing(raw, at, c, basic);
        out.push(start + at);
        let rest = &raw[at..];
        at += if basic && rest.starts_with('\\') {
            escape_length(rest)
        } else {
            rest.chars().next().map_or(0, char::len_utf8)
        };
    }
    out.push(start + at);
    out
}

/// Past what stands for no character: a backslash at a line's end, a carriage return that was dropped.
fn skip_nothing(raw: &str, mut at: usize, next: char, basic: bool) -> usize {
    loop {
        let rest = &raw[at..];
        if rest.starts_with("\r\n") && next == '\n' {
            return at + 1;
        }
        let tail = match rest.strip_prefix('\\') {
            Some(tail) if basic => tail,
            _ => return at,
        };
        let blank = tail.trim_start_matches([' ', '\t', '\r', '\n']);
        if !tail[..tail.len() - blank.len()].contains('\n') {
            return at;
        }
        at = raw.len() - blank.len();
    }
}

/// Bytes of the escape at the start of `text`.
fn escape_length(text: &str) -> usize {
    let length = match text.as_bytes().get(1) {
        Some(b'x') => 4,
        Some(b'u') => 6,
        Some(b'U') => 10,
        _ => 2,
    };
    let mut length = length.min(text.len());
    while !text.is_char_boundary(length) {
        length += 1;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text in the file behind each character of the decoded string.
    fn pieces(toml: &str) -> Vec<String> {
        let parsed = toml::de::DeTable::parse(toml).unwrap();
        let value = parsed.get_ref().get("q").unwrap();
        let decoded = value.get_ref().as_str().unwrap();
        let source = QuerySource::literal("f".into(), toml.into(), value.span(), decoded);
        decoded.char_indices().map(|(i, c)| toml[source.file_span(decoded, i..i + c.len_utf8())].to_owned()).collect()
    }

    #[test]
    fn every_character_has_its_place() {
        assert_eq!(pieces("q = 'a\\b'"), ["a", "\\", "b"]);
        assert_eq!(pieces("q = \"a\\\"é\\u00e9x\""), ["a", "\\\"", "é", "\\u00e9", "x"]);
        assert_eq!(pieces("q = \"\"\"\nab\nc\"\"\""), ["a", "b", "\n", "c"]);
        assert_eq!(pieces("q = '''\r\nab'''"), ["a", "b"]);
        let folded = pieces("q = \"\"\"\na\\\n   b\\tc\"\"\"");
        assert_eq!((folded[1].as_str(), folded[3].as_str()), ("b", "c"));
        assert_eq!(folded.len(), 4);
    }

    #[test]
    fn a_position_is_a_word() {
        let toml = "q = \"\"\"\nSELECT amout\nFROM \\\"Orders\\\" o\"\"\"\n";
        let parsed = toml::de::DeTable::parse(toml).unwrap();
        let value = parsed.get_ref().get("q").unwrap();
        let query = value.get_ref().as_str().unwrap();
        let source = QuerySource::literal("f".into(), toml.into(), value.span(), query);
        let place = |position| {
            let place = source.place(query, position).unwrap();
            (place.line, place.column, toml[place.span].to_owned())
        };
        assert_eq!(place(8), (2, 8, "amout".into()));
        assert_eq!(place(19), (3, 6, "\\\"Orders\\\"".into()));
        assert_eq!(place(28), (3, 17, "o".into()));
        assert!(source.place(query, 0).is_none());
        assert!(source.place(query, 99).is_none());
    }
}

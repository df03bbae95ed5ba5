//! Identifiers as PostgreSQL reads them.

use crate::state::MAX_NAME_BYTES;

/// The name behind an identifier's text: unquoted ones in lower case, quoted ones as they are, `U&"…"` decoded,
/// all cut at 63 bytes.
/// <https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS>
pub fn fold_identifier(text: &str) -> String {
    let unicode = text.strip_prefix("U&").or_else(|| text.strip_prefix("u&")).filter(|rest| rest.starts_with('"'));
    let mut name = match (unicode, text.starts_with('"')) {
        (Some(rest), _) => decode_unicode(&unquote(rest)),
        (None, true) => unquote(text),
        (None, false) => text.to_ascii_lowercase(),
    };
    if name.len() > MAX_NAME_BYTES {
        let mut end = MAX_NAME_BYTES;
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        name.truncate(end);
    }
    name
}

fn unquote(text: &str) -> String {
    let inner = text.strip_prefix('"').unwrap_or(text);
    inner.strip_suffix('"').unwrap_or(inner).replace("\"\"", "\"")
}

/// `\0061` and `\+000061`, with the default escape character; what is no escape stays.
fn decode_unicode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        let (digits, skip) = match tail.strip_prefix('+') {
            Some(long) => (long.get(..6), 7),
            None => (tail.get(..4), 4),
        };
        let decoded = digits.and_then(|d| u32::from_str_radix(d, 16).ok()).and_then(char::from_u32);
        if let Some(c) = decoded {
            out.push(c);
            rest = &tail[skip..];
        } else {
            out.push('\\');
            rest = tail.strip_prefix('\\').unwrap_or(tail);
        }
    }
    out.push_str(rest);
    out
}

/// The parts of a perhaps qualified name as SQL writes it (`sales."Top 10"`), folded; `None` if it is no name.
pub fn parse_qualified_name(text: &str) -> Option<Vec<String>> {
    split_names(text, '.')
}

/// The names of a comma-separated list such as `search_path`, folded; `None` if it is no such list.
pub fn parse_name_list(text: &str) -> Option<Vec<String>> {
    split_names(text, ',')
}

fn split_names(text: &str, separator: char) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = text.trim();
    loop {
        let end = if rest.starts_with('"') {
            quoted_end(rest)?
        } else {
            rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len())
        };
        let word = &rest[..end];
        let starts_well = word.chars().next().is_some_and(|c| c == '"' || c == '_' || c == '$' || c.is_alphabetic());
        if !starts_well || word == "\"\"" {
            return None;
        }
        names.push(fold_identifier(word));
        rest = rest[end..].trim_start();
        if rest.is_empty() {
            return Some(names);
        }
        rest = rest.strip_prefix(separator)?.trim_start();
    }
}

/// Where a quoted identifier at the start of `text` ends.
fn quoted_end(text: &str) -> Option<usize> {
    let mut at = 1;
    loop {
        at += text[at..].find('"')? + 1;
        if text[at..].starts_with('"') {
            at += 1;
        } else {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_as_postgresql_does() {
        for (text, name) in [
            ("Orders", "orders"),
            ("ÉTÉ", "ÉtÉ"),
            ("\"Orders\"", "Orders"),
            ("\"a\"\"b\"", "a\"b"),
            ("U&\"d\\0061t\\+000061\"", "data"),
            ("u&\"a\\\\b\"", "a\\b"),
            ("\"U&x\"", "U&x"),
        ] {
            assert_eq!(fold_identifier(text), name);
        }
        assert_eq!(fold_identifier(&"é".repeat(40)).len(), 62);
    }

    #[test]
    fn splits_names() {
        let names = |t| parse_qualified_name(t).map(|v| v.join("|"));
        assert_eq!(names("orders").as_deref(), Some("orders"));
        assert_eq!(names("Sales.\"Top 10\"").as_deref(), Some("sales|Top 10"));
        assert_eq!(names("\"a.b\" . c").as_deref(), Some("a.b|c"));
        for bad in ["", ".", "a.", "a b", "1a", "\"a", "a,b", "\"\""] {
            assert_eq!(names(bad), None, "{bad}");
        }
        assert_eq!(
            parse_name_list("sales, \"$user\",public"),
            Some(vec!["sales".into(), "$user".into(), "public".into()])
        );
    }
}

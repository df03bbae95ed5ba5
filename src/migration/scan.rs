//! The text of a script as `psql` cuts it: words, quotes, brackets, semicolons. Comments and white space are left out.
//!
//! A script may say what our parser does not know, and be nested deeper than it reads: this looks at nothing but what decides where a
//! statement ends. <https://www.postgresql.org/docs/current/sql-syntax-lexical.html>

use std::ops::Range;

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// A key word or a name without quotes.
    Word,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// A backslash outside of quotes, and the line behind it.
    Backslash,
    /// A byte of zero, which no statement may have.
    Zero,
    /// A string, a name in quotes, a number, an operator.
    Other,
}

/// The pieces of a text with their bytes.
pub(super) fn scan(text: &str) -> Vec<(Token, Range<usize>)> {
    let bytes = text.as_bytes();
    let mut pieces = Vec::new();
    let mut at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    while at < bytes.len() {
        let rest = &text[at..];
        if let Some(length) = trivia(rest) {
            at += length;
            continue;
        }
        let (token, length) = match bytes[at] {
            b'\'' => (Token::Other, string(rest, false)),
            b'e' | b'E' if bytes.get(at + 1) == Some(&b'\'') => (Token::Other, 1 + string(&rest[1..], true)),
            b'"' => (Token::Other, quoted(rest, b'"', false)),
            b'$' => (Token::Other, dollar(rest).unwrap_or(1)),
            b'(' => (Token::Open, 1),
            b')' => (Token::Close, 1),
            b',' => (Token::Comma, 1),
            b';' => (Token::Semicolon, 1),
            b'\\' => (Token::Backslash, line(rest)),
            0 => (Token::Zero, 1),
            byte if byte.is_ascii_digit() => (Token::Other, word(rest)),
            byte if is_word(byte) => (Token::Word, word(rest)),
            _ => (Token::Other, 1),
        };
        pieces.push((token, at..at + length));
        at += length;
    }
    pieces
}

/// How long white space or a comment at the start is.
fn trivia(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    match bytes[0] {
        b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => Some(1),
        b'-' if bytes.get(1) == Some(&b'-') => Some(line(text)),
        b'/' if bytes.get(1) == Some(&b'*') => Some(comment(bytes)),
        _ => None,
    }
}

fn line(text: &str) -> usize {
    text.find(['\n', '\r']).unwrap_or(text.len())
}

/// Comments are nested.
fn comment(bytes: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn word(text: &str) -> usize {
    text.bytes().position(|byte| !is_word(byte) && byte != b'$').unwrap_or(text.len())
}

/// How long a string is, with its continuations on further lines, which are read like its beginning.
fn string(text: &str, escapes: bool) -> usize {
    let mut end = quoted(text, b'\'', escapes);
    loop {
        let rest = &text[end..];
        let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']).len();
        if !rest[blank..].starts_with('\'') || !rest[..blank].contains(['\n', '\r']) {
            return end;
        }
        end += blank + quoted(&rest[blank..], b'\'', escapes);
    }
}

/// How long what stands in quotes is; two quotes are one within.
fn quoted(text: &str, quote: u8, escapes: bool) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => at += 2,
            byte if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    // A backslash may have led past the end.
    text.len()
}

/// How long a string in dollars is: `$$…$$`, `$body$…$body$`.
fn dollar(text: &str) -> Option<usize> {
    let tag_end = 1 + text[1..].bytes().position(|byte| !is_word(byte))?;
    let tag = text.get(..=tag_end).filter(|tag| tag.ends_with('$'))?;
    if tag.as_bytes().get(1).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    Some(text[tag.len()..].find(tag).map_or(text.len(), |at| at + 2 * tag.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let pieces = scan(text).into_iter().map(|(token, span)| match token {
            Token::Other => format!("[{}]", &text[span]),
            Token::Backslash => format!("{{{}}}", &text[span]),
            _ => text[span].to_owned(),
        });
        pieces.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn quotes_and_comments_hide_semicolons() {
        for (text, expected) in [
            ("SELECT ';' ; x", "SELECT [';'] ; x"),
            ("'it''s;' ;", "['it''s;'] ;"),
            ("E'a\\';' ;", "[E'a\\';'] ;"),
            ("e'a'\n 'b\\';' ;", "[e'a'\n 'b\\';'] ;"),
            ("'a' 'b'", "['a'] ['b']"),
            ("'\\' ;", "['\\'] ;"),
            ("\"a;\"\"b\" ;", "[\"a;\"\"b\"] ;"),
            ("$$;$$ $b_1$ ;$$ $b_1$ ;", "[$$;$$] [$b_1$ ;$$ $b_1$] ;"),
            ("$1 a$b$c", "[$] [1] a$b$c"),
            ("-- ;\n;", ";"),
            ("/* /* ; */ ; */ x", "x"),
            ("/* ;", ""),
            ("\u{feff}é ñ;", "é ñ ;"),
            ("f(a, 'b')", "f ( a , ['b'] )"),
            ("\\set x 'y;'\nz", "{\\set x 'y;'} z"),
            ("E'\\", "[E'\\]"),
            ("'é", "['é]"),
            ("1e5;", "[1e5] ;"),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
    }
}

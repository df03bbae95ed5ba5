//! Values as people would write them.

use toml_edit::{Array, Value};

/// One-line strings longer than this are folded where they may be.
const MAX_COLUMNS: usize = 100;

/// A string: in quotes, or in three of them where it has lines.
pub(super) fn string(text: &str) -> Value {
    let repr = if text.contains('\n') { format!("\"\"\"\n{}\"\"\"", escaped(text, true)) } else { one_line(text) };
    spelled(&repr, text)
}

/// A query: on one line where it is short, else in lines of its own. The newline behind its last line means nothing.
pub(super) fn query(key: &str, text: &str, rest: &str, lines: bool) -> Value {
    let line = one_line(text);
    let short = !text.contains('\n') && key.len() + " = ".len() + line.chars().count() <= MAX_COLUMNS;
    if short && !lines && rest.trim().is_empty() && !line.contains('\\') {
        return spelled(&line, text);
    }
    let text = if rest.ends_with('\n') { format!("{text}{rest}") } else { format!("{text}{rest}\n") };
    let literal = text.contains('\\') && !text.contains("'''") && !text.chars().any(is_control);
    let repr = if literal { format!("'''\n{text}'''") } else { format!("\"\"\"\n{}\"\"\"", escaped(&text, true)) };
    spelled(&repr, &text)
}

/// A parameter's value: integers and booleans as such.
pub(super) fn scalar(text: &str) -> Value {
    match text {
        "true" => true.into(),
        "false" => false.into(),
        _ => match text.parse::<i64>() {
            Ok(number) if number.to_string() == text => number.into(),
            _ => string(text),
        },
    }
}

/// A list of strings.
pub(super) fn strings(texts: &[String]) -> Value {
    texts.iter().map(|text| string(text)).collect::<Array>().into()
}

/// One string alone, or a list.
pub(super) fn one_or_many(texts: &[String]) -> Value {
    match texts {
        [one] => string(one),
        many => strings(many),
    }
}

/// The value behind a spelling, which has to mean `text`.
fn spelled(repr: &str, text: &str) -> Value {
    match repr.parse::<Value>() {
        Ok(mut value) if value.as_str() == Some(text) => {
            value.decor_mut().clear();
            value
        }
        _ => text.into(),
    }
}

/// In double quotes, or in single ones where that needs no escapes.
fn one_line(text: &str) -> String {
    let literal = text.contains(['"', '\\']) && !text.contains(['\'', '\n']) && !text.chars().any(is_control);
    if literal { format!("'{text}'") } else { format!("\"{}\"", escaped(text, false)) }
}

/// What may not stand in a literal string, newlines and tabs aside.
fn is_control(c: char) -> bool {
    c.is_ascii_control() && !matches!(c, '\n' | '\t')
}

/// With escapes, for double quotes: one, or three around lines.
fn escaped(text: &str, lines: bool) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut quotes = 0;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        quotes = if c == '"' { quotes + 1 } else { 0 };
        match c {
            // A third quote, or one right before the end, would end the string.
            '"' if lines && quotes < 3 && rest.peek().is_some() => out.push(c),
            '"' => {
                out.push_str("\\\"");
                quotes = 0;
            }
            '\\' => out.push_str("\\\\"),
            '\n' if lines => out.push(c),
            '\n' => out.push_str("\\n"),
            '\t' if lines => out.push(c),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_ascii_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

//! PostgreSQL's text of a query, without what does not matter.

/// The text without aliases that repeat a relation's own name: `FROM public.sales sales` is `FROM public.sales`.
///
/// PostgreSQL prints an alias that was written, so that a mart built from `sales__next AS sales` reads otherwise than
/// one built from `sales`, although they are the same.
pub(crate) fn canonical(definition: &str) -> String {
    let bytes = definition.as_bytes();
    let mut out = String::with_capacity(definition.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &definition[at..];
        if bytes[at] == b'\'' {
            let end = literal_end(rest);
            out.push_str(&rest[..end]);
            at += end;
            continue;
        }
        let Some(mut end) = identifier_end(rest) else {
            let width = rest.chars().next().map_or(1, char::len_utf8);
            out.push_str(&rest[..width]);
            at += width;
            continue;
        };
        let mut last = 0;
        while let Some(next) = rest[end..].strip_prefix('.').and_then(identifier_end) {
            last = end + 1;
            end += 1 + next;
        }
        out.push_str(&rest[..end]);
        let name = &rest[last..end];
        let repeats = last > 0
            && rest[end..].strip_prefix(' ').is_some_and(|alias| {
                let after = |end: usize| alias[end..].chars().next();
                identifier_end(alias).is_some_and(|end| alias[..end] == *name && !matches!(after(end), Some('.' | '(')))
            });
        at += if repeats { end + 1 + name.len() } else { end };
    }
    out
}

/// Where a string constant at the start of `text` ends; two quotes are one within.
fn literal_end(text: &str) -> usize {
    text[1..].find('\'').map_or(text.len(), |at| at + 2)
}

/// Where an identifier or a number at the start of `text` ends.
fn identifier_end(text: &str) -> Option<usize> {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut at = 0;
        loop {
            at += quoted[at..].find('"')? + 1;
            if !quoted[at..].starts_with('"') {
                return Some(at + 1);
            }
            at += 1;
        }
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(text.len());
    (end > 0).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn an_alias_that_repeats_the_name_goes() {
        for (text, expected) in [
            ("FROM public.sales sales", "FROM public.sales"),
            (
                "FROM (s.a a JOIN \"S 1\".\"b\"\"\" \"b\"\"\" ON (a.x = 1))",
                "FROM (s.a JOIN \"S 1\".\"b\"\"\" ON (a.x = 1))",
            ),
            ("FROM public.sales s", "FROM public.sales s"),
            ("FROM public.sales sales(a, b)", "FROM public.sales sales(a, b)"),
            ("SELECT 'public.a a', a.a AS a FROM s.a;", "SELECT 'public.a a', a.a AS a FROM s.a;"),
            ("SELECT 'it''s s.a a' FROM ü.ñ ñ", "SELECT 'it''s s.a a' FROM ü.ñ"),
        ] {
            assert_eq!(canonical(text), expected);
        }
    }
}

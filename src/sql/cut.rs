//! Definitions, as PostgreSQL prints them, cut where they name a relation.

/// What stands before and behind the relation that follows `word`, a keyword. The server prints keywords in capitals, and quotes names
/// that have any, so that the first such word outside quotes is the keyword.
pub fn cut_at_name<'a>(definition: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let mut at = 0;
    loop {
        let rest = &definition[at..];
        let first = rest.chars().next()?;
        let end = at + token(rest);
        if &definition[at..end] == word {
            let start = end + definition[end..].len() - definition[end..].trim_start().len();
            let mut behind = start + name(&definition[start..])?;
            if definition[behind..].starts_with('.') {
                behind += 1 + name(&definition[behind + 1..])?;
            }
            return Some((&definition[..start], &definition[behind..]));
        }
        at = end.max(at + first.len_utf8());
    }
}

/// The length of the name at the start of `text`.
fn name(text: &str) -> Option<usize> {
    let first = text.chars().next()?;
    (first == '"' || is_word(first)).then(|| token(text))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// The length of what stands at the start of `text`: a name, a quoted name, a string, or one character.
fn token(text: &str) -> usize {
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let mut at = 1;
            while let Some(found) = text[at..].find(quote) {
                at += found + 1;
                if !text[at..].starts_with(quote) {
                    return at;
                }
                at += 1;
            }
            text.len()
        }
        Some(first) if is_word(first) => text.find(|c: char| !is_word(c)).unwrap_or(text.len()),
        Some(first) => first.len_utf8(),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::cut_at_name;

    #[test]
    fn the_relation_is_found_by_structure() {
        for (definition, word, head, tail) in [
            (
                r#"CREATE TRIGGER " ON x" AFTER UPDATE OF "ON" ON public."my ""ON"" t" FOR EACH ROW WHEN (x) EXECUTE FUNCTION f('ON t')"#,
                "ON",
                r#"CREATE TRIGGER " ON x" AFTER UPDATE OF "ON" ON "#,
                " FOR EACH ROW WHEN (x) EXECUTE FUNCTION f('ON t')",
            ),
            (
                "CREATE RULE r AS\n    ON INSERT TO s.t DO ALSO  INSERT INTO s.t2 DEFAULT VALUES",
                "TO",
                "CREATE RULE r AS\n    ON INSERT TO ",
                " DO ALSO  INSERT INTO s.t2 DEFAULT VALUES",
            ),
            (
                "FOREIGN KEY (a, \"REFERENCES\") REFERENCES s.étoile(b, c) NOT VALID",
                "REFERENCES",
                "FOREIGN KEY (a, \"REFERENCES\") REFERENCES ",
                "(b, c) NOT VALID",
            ),
        ] {
            assert_eq!(cut_at_name(definition, word), Some((head, tail)));
        }
        assert_eq!(cut_at_name("CREATE RULE", "TO"), None);
        assert_eq!(cut_at_name("ON", "ON"), None);
    }
}

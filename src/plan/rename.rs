//! Renames: a mart keeps its relation under another name.

use crate::state::{QName, quote_ident};

/// The canonical text of a definition as it reads once relations have their new names, all of them at once: two may swap.
///
/// PostgreSQL prints a renamed relation under its new name wherever the query gave it no alias.
pub(crate) fn in_definition(definition: &str, renames: &[(QName, QName)]) -> String {
    if renames.is_empty() {
        return definition.to_owned();
    }
    let words = renames.iter().flat_map(|(old, new)| {
        let bare = |name: &QName| format!("{}.", quote_ident(&name.name));
        [(old.to_string(), new.to_string()), (bare(old), bare(new))]
    });
    let words: Vec<(String, String)> = words.collect();
    let mut out = String::with_capacity(definition.len());
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '"' || c == '.';
    let begins = |rest: &str, word: &str| {
        let after = rest.strip_prefix(word);
        after.is_some_and(|after| word.ends_with('.') || after.chars().next().is_none_or(|c| !is_word(c)))
    };
    let mut before: Option<char> = None;
    let mut rest = definition;
    while let Some(first) = rest.chars().next() {
        // A name does not continue a word on either side.
        let starts = before.is_none_or(|c| !is_word(c));
        let found = words.iter().find(|(from, _)| starts && begins(rest, from));
        let (length, to) = match found {
            Some((from, to)) => (from.len(), to.as_str()),
            None => (first.len_utf8(), &rest[..first.len_utf8()]),
        };
        out.push_str(to);
        before = rest[..length].chars().next_back();
        rest = &rest[length..];
    }
    out
}

/// The same with one relation of another name.
pub(crate) fn one(definition: &str, old: &QName, new: &QName) -> String {
    in_definition(definition, &[(old.clone(), new.clone())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_names_change() {
        let renames = [(QName::new("public", "sales"), QName::new("public", "revenue"))];
        let text = " SELECT sales.day, presales.x, sales_2.y\n   FROM public.sales JOIN public.sales_2";
        assert_eq!(
            in_definition(text, &renames),
            " SELECT revenue.day, presales.x, sales_2.y\n   FROM public.revenue JOIN public.sales_2"
        );
    }

    #[test]
    fn names_that_swap_are_not_folded_into_one() {
        let name = |name: &str| QName::new("public", name);
        let renames = [(name("a"), name("b")), (name("b"), name("A b")), (name("A b"), name("a"))];
        let text = " SELECT a.x, b.y, \"A b\".z\n   FROM public.a, public.b, public.\"A b\"";
        assert_eq!(
            in_definition(text, &renames),
            " SELECT b.x, \"A b\".y, a.z\n   FROM public.b, public.\"A b\", public.a"
        );
    }
}

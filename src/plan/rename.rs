//! Renames: a mart keeps its relation under another name.

use crate::state::{QName, quote_ident};

/// The canonical text of a definition as it reads once relations have their new names.
///
/// PostgreSQL prints a renamed relation under its new name wherever the query gave it no alias.
pub(crate) fn in_definition(definition: &str, renames: &[(QName, QName)]) -> String {
    let mut text = definition.to_owned();
    for (old, new) in renames {
        text = replace_word(&text, &old.to_string(), &new.to_string());
        let (old, new) = (quote_ident(&old.name), quote_ident(&new.name));
        text = replace_word(&text, &format!("{old}."), &format!("{new}."));
    }
    text
}

/// The same with one relation of another name.
pub(crate) fn one(definition: &str, old: &QName, new: &QName) -> String {
    in_definition(definition, &[(old.clone(), new.clone())])
}

/// Replaces `from` where it does not continue a word on either side.
fn replace_word(text: &str, from: &str, to: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '"' || c == '.';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut before: Option<char> = None;
    while let Some(at) = rest.find(from) {
        let prior = rest[..at].chars().next_back().or(before);
        let after = &rest[at + from.len()..];
        let starts = prior.is_none_or(|c| !is_word(c));
        let ends = from.ends_with('.') || after.chars().next().is_none_or(|c| !is_word(c));
        out.push_str(&rest[..at]);
        out.push_str(if starts && ends { to } else { from });
        before = from.chars().next_back();
        rest = after;
    }
    out.push_str(rest);
    out
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
}

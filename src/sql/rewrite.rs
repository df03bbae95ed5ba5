//! A query with some of its relations replaced.

use std::ops::Range;

use crate::state::{QName, quote_ident};

use super::part::{Qualifier, RelationRef};
use super::query::Query;

impl Query {
    /// The text with the relations for which `replace` answers replaced by that name. Where no alias followed, the
    /// old name becomes the alias, so that `orders.amount` still works; `public.orders.amount` loses its schema,
    /// `TABLE orders` becomes a SELECT, and a row is cast to the type of what it comes from now (`orders.*::public.orders`).
    pub fn rewrite(&self, replace: impl Fn(&RelationRef) -> Option<QName>) -> String {
        let mut edits: Vec<(Range<usize>, String)> = Vec::new();
        let mut renamed: Vec<(usize, String)> = Vec::new();
        for (i, (relation, site)) in self.relations.iter().zip(&self.sites).enumerate() {
            let Some(new) = replace(relation) else {
                continue;
            };
            edits.push((relation.span.clone(), new.to_string()));
            if let Some(word) = &site.table_word {
                edits.push((word.clone(), "SELECT * FROM".to_owned()));
            }
            if !relation.aliased {
                let alias = quote_ident(&self.alias(i));
                edits.push((site.alias_at..site.alias_at, format!(" AS {alias}")));
                renamed.push((i, alias));
            }
        }
        for qualifier in &self.qualifiers {
            if let Some(alias) = self.renamed(qualifier, &renamed) {
                edits.push((qualifier.span.clone(), alias.to_owned()));
            }
        }
        let types =
            self.types.iter().filter_map(|row_type| Some((row_type.span.clone(), replace(row_type)?.to_string())));
        edits.extend(types);
        edits.sort_by_key(|(span, _)| (span.start, span.end));
        apply(&self.text, &edits)
    }

    /// The text with a schema before the unqualified relations for which `schema` answers.
    pub fn qualify(&self, schema: impl Fn(&str) -> Option<&'static str>) -> String {
        let unqualified = self.relations.iter().filter(|relation| relation.schema.is_none());
        let mut edits: Vec<(Range<usize>, String)> = unqualified
            .filter_map(|relation| {
                let at = relation.span.start;
                Some((at..at, format!("{}.", quote_ident(schema(&relation.name)?))))
            })
            .collect();
        edits.sort_by_key(|(span, _)| span.start);
        apply(&self.text, &edits)
    }

    /// The alias of a relation that had none: its name or, where a namesake of another schema stands beside it, both.
    fn alias(&self, i: usize) -> String {
        let (relation, site) = (&self.relations[i], &self.sites[i]);
        let namesake = self.relations.iter().zip(&self.sites).any(|(r, s)| {
            s.scope == site.scope && !r.aliased && r.name == relation.name && r.schema != relation.schema
        });
        match &relation.schema {
            Some(schema) if namesake => format!("{schema}.{}", relation.name),
            _ => relation.name.clone(),
        }
    }

    /// The alias that a qualifier means now, if its relation was replaced.
    fn renamed<'a>(&self, qualifier: &Qualifier, renamed: &'a [(usize, String)]) -> Option<&'a str> {
        let unaliased = |schema: Option<&str>| {
            self.relations.iter().any(|r| !r.aliased && r.name == qualifier.name && r.schema.as_deref() == schema)
        };
        let schema = Some(qualifier.schema.as_str());
        // A qualified column may also belong to a relation that was found by the search path.
        let wanted = if unaliased(schema) { schema } else { None };
        renamed
            .iter()
            .find(|(i, _)| {
                let r = &self.relations[*i];
                r.name == qualifier.name && r.schema.as_deref() == wanted
            })
            .map(|(_, alias)| alias.as_str())
    }
}

/// The text with the edits made; they are in order and do not overlap.
fn apply(text: &str, edits: &[(Range<usize>, String)]) -> String {
    let mut out = String::with_capacity(text.len() + edits.len() * 16);
    let mut at = 0;
    for (span, new) in edits {
        if span.start < at || span.end > text.len() {
            continue;
        }
        out.push_str(&text[at..span.start]);
        out.push_str(new);
        at = span.end;
    }
    out.push_str(&text[at..]);
    out
}

//! Which relation a name in a query means, and what stands for it in a graph. Pure.

use std::collections::HashSet;
use std::fmt::Write;

use crate::catalog::Actual;
use crate::manifest::Desired;
use crate::sql::parse_qualified_name;
use crate::state::{QName, quote_ident};

/// The schema of what comes with the server; it stands before every search path.
/// <https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-CATALOG>
const SYSTEM: &str = "pg_catalog";

/// A relation's name, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Spot {
    /// `None`: any schema of a search path.
    pub schema: Option<String>,
    /// Its own name.
    pub name: String,
}

impl Spot {
    /// A name that is known whole.
    pub fn of(name: &QName) -> Self {
        Self { schema: Some(name.schema.clone()), name: name.name.clone() }
    }

    /// The name, where it is known whole.
    pub fn qname(&self) -> Option<QName> {
        self.schema.as_ref().map(|schema| QName::new(schema, &self.name))
    }

    /// Quoted where needed.
    pub fn full_name(&self) -> String {
        self.qname().map_or_else(|| quote_ident(&self.name), |name| name.to_string())
    }

    /// A table of the server's own.
    pub fn is_system(&self) -> bool {
        self.schema.as_deref() == Some(SYSTEM)
    }

    /// A word that only this name has: never a keyword, and the same in every drawing.
    pub fn id(&self) -> String {
        let mut id = "r_".to_owned();
        if let Some(schema) = &self.schema {
            word(schema, &mut id);
            id.push_str("__");
        }
        word(&self.name, &mut id);
        id
    }
}

/// Small letters, digits and single underscores between them stay; all else is `U<code>Z`. So the words of two names
/// differ where the names do, and two underscores stand nowhere within.
fn word(name: &str, into: &mut String) {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut before = None;
    let mut rest = name.chars().peekable();
    while let Some(c) = rest.next() {
        let inside = before.is_some_and(plain) && rest.peek().copied().is_some_and(plain);
        if plain(c) || (c == '_' && inside) {
            into.push(c);
        } else {
            // Writing to a String does not fail.
            let _ = write!(into, "U{:X}Z", u32::from(c));
        }
        before = Some(c);
    }
}

/// The relations that names may mean.
pub(super) struct Names<'a> {
    declared: HashSet<&'a QName>,
    /// What is in the database; without one, what queries name with its schema.
    known: HashSet<QName>,
}

impl<'a> Names<'a> {
    /// From the manifests, and the database where there is one.
    pub fn new(desired: &'a Desired, actual: Option<&Actual>) -> Self {
        let written = desired.marts.iter().flat_map(|mart| &mart.reads);
        let known = match actual {
            Some(actual) => actual.relations.keys().cloned().collect(),
            None => written.filter_map(|read| Some(QName::new(read.schema.as_ref()?, &read.name))).collect(),
        };
        let declared = desired.marts.iter().map(|mart| &mart.mart.name).collect();
        Self { declared, known }
    }

    /// Whether a manifest declares it.
    pub fn is_declared(&self, name: &QName) -> bool {
        self.declared.contains(name)
    }

    /// What a query means by a name: as written, else the first of the search path that is there.
    pub fn find(&self, schema: Option<&str>, name: &str, search_path: &[String]) -> Spot {
        if let Some(schema) = schema {
            return Spot::of(&QName::new(schema, name));
        }
        let mut candidates = search_path.iter().map(|schema| QName::new(schema, name));
        let found = candidates.find(|name| self.declared.contains(name) || self.known.contains(name));
        match (found, search_path) {
            (Some(found), _) => Spot::of(&found),
            (None, _) if name.starts_with("pg_") => Spot::of(&QName::new(SYSTEM, name)),
            (None, [only]) => Spot::of(&QName::new(only, name)),
            (None, _) => Spot { schema: None, name: name.to_owned() },
        }
    }

    /// What `depends_on` means by a name: `name`, `schema.name`, or quoted as in SQL; otherwise exactly as it stands.
    pub fn said(&self, text: &str, search_path: &[String]) -> Spot {
        let quoted = text.contains('"').then(|| parse_qualified_name(text)).flatten();
        let spot = match quoted.as_deref() {
            Some([name]) => self.find(None, name, search_path),
            Some([schema, name]) => self.find(Some(schema), name, search_path),
            _ => match text.split_once('.') {
                Some((schema, name)) if !schema.is_empty() && !name.is_empty() => {
                    self.find(Some(schema), name, search_path)
                }
                _ => self.find(None, text, search_path),
            },
        };
        // A name with a dot in it may be meant as it stands.
        let whole = self.find(None, text, search_path);
        let declared = |spot: &Spot| spot.qname().is_some_and(|name| self.declared.contains(&name));
        if !declared(&spot) && declared(&whole) { whole } else { spot }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spot(schema: &str, name: &str) -> Spot {
        Spot::of(&QName::new(schema, name))
    }

    #[test]
    fn an_id_is_one_word_of_one_name() {
        let ids = [
            spot("public", "daily_sales").id(),
            spot("public", "Sales 2024").id(),
            spot("a_", "b").id(),
            spot("a", "_b").id(),
            spot("a", "b__c").id(),
            Spot { schema: None, name: "end".into() }.id(),
            spot("é", "U").id(),
        ];
        assert_eq!(
            ids,
            [
                "r_public__daily_sales",
                "r_public__U53ZalesU20Z2024",
                "r_aU5FZ__b",
                "r_a__U5FZb",
                "r_a__bU5FZU5FZc",
                "r_end",
                "r_UE9Z__U55Z",
            ]
        );
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof!["[ab_.UZ5F\"é ]{1,4}", "\\PC{1,6}"]
    }

    proptest! {
        #[test]
        fn two_names_have_two_ids(a in (proptest::option::of(name()), name()), b in (proptest::option::of(name()), name())) {
            let spot = |(schema, name): &(Option<String>, String)| Spot { schema: schema.clone(), name: name.clone() };
            prop_assert_eq!(spot(&a).id() == spot(&b).id(), a == b);
            prop_assert!(spot(&a).id().chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        }
    }
}

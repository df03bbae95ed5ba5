//! Where scratch relations stand, and what the SQL of a mart is surrounded with there.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::DesiredMart;
use crate::state::{IndexDecl, Kind, Mart, QName, quote_ident, quote_literal};

/// Where the scratch relations of each mart's schema stand: views and, for indexes, tables.
pub(super) struct Scratch {
    pub(super) views: BTreeMap<String, String>,
    pub(super) tables: BTreeMap<String, String>,
    /// The owners that exist; the plan names those that do not.
    pub(super) roles: BTreeSet<String>,
    /// Settings that some mart declares: one that does not gets the session's own.
    pub(super) session: BTreeSet<String>,
}

/// A setting goes back to what the session began with.
pub(super) fn put_back(key: &str) -> String {
    let name: Vec<String> = key.split('.').map(quote_ident).collect();
    format!("SET LOCAL {} TO DEFAULT;", name.join("."))
}

impl Scratch {
    pub(super) fn new(marts: &[&DesiredMart], token: &str) -> Self {
        let schemas: BTreeSet<&str> = marts.iter().map(|m| m.mart.name.schema.as_str()).collect();
        let named = |letter: &str| {
            schemas
                .iter()
                .enumerate()
                .map(|(i, schema)| ((*schema).to_owned(), format!("dm{letter}_{token}_{i}")))
                .collect()
        };
        let session = marts.iter().flat_map(|m| m.mart.session.keys().cloned()).collect();
        Self { views: named("v"), tables: named("t"), roles: BTreeSet::new(), session }
    }

    /// Puts back every setting that some mart declares, but those to `keep`.
    pub(super) fn defaults(&self, keep: impl Fn(&str) -> bool) -> String {
        self.session.iter().filter(|key| !keep(key)).map(|key| put_back(key)).collect()
    }

    pub(super) fn all(&self) -> Vec<&str> {
        self.views.values().chain(self.tables.values()).map(String::as_str).collect()
    }

    /// The scratch view of a mart.
    pub(super) fn view(&self, mart: &Mart) -> QName {
        QName::new(self.views[&mart.name.schema].clone(), &mart.name.name)
    }

    /// The scratch schema beside that of a mart's view.
    pub(super) fn beside(&self, mart: &Mart) -> &str {
        &self.tables[&mart.name.schema]
    }

    /// The scratch view in the place of a relation, where it is one of the marts.
    pub(super) fn of(&self, schema: &str, name: &str, known: &BTreeSet<&QName>) -> Option<QName> {
        let ours = self.views.get(schema)?;
        known.contains(&QName::new(schema, name)).then(|| QName::new(ours, name))
    }

    /// The settings and the role that a mart's SQL runs with, our schemas first.
    pub(super) fn surroundings(&self, mart: &Mart) -> String {
        let settings = mart.settings();
        let mut sql = self.defaults(|key| settings.iter().any(|(own, _)| own.eq_ignore_ascii_case(key)));
        for (key, value) in settings {
            let value = if key == "search_path" {
                let both = mart.search_path.iter().flat_map(|schema| {
                    let ours = self.views.get(schema).map(|s| quote_ident(s));
                    ours.into_iter().chain([quote_ident(schema)])
                });
                both.collect::<Vec<_>>().join(", ")
            } else {
                value
            };
            let (key, value) = (quote_literal(&key), quote_literal(&value));
            sql.push_str(&format!("SELECT pg_catalog.set_config({key}, {value}, true);"));
        }
        if let Some(owner) = self.role(mart) {
            sql.push_str(&format!("SET LOCAL ROLE {};", quote_ident(owner)));
        }
        sql
    }

    /// The role that a mart's SQL runs as, where that is another than the session's.
    pub(super) fn role<'a>(&self, mart: &'a Mart) -> Option<&'a String> {
        mart.owner.as_ref().filter(|owner| self.roles.contains(*owner))
    }

    /// The scratch table of a mart, and the indexes that need one.
    pub(super) fn table<'a>(&self, mart: &'a Mart) -> Option<(QName, Vec<&'a IndexDecl>)> {
        let indexes: Vec<&IndexDecl> = mart.indexes.iter().filter(|i| i.needs_server()).collect();
        let table = || QName::new(self.tables[&mart.name.schema].clone(), &mart.name.name);
        (mart.kind != Kind::View && !indexes.is_empty()).then(|| (table(), indexes))
    }

    /// The text with scratch schemas replaced by the real ones.
    pub(super) fn real(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (real, scratch) in self.views.iter().chain(&self.tables) {
            text = text.replace(&format!("{scratch}."), &format!("{}.", quote_ident(real)));
        }
        text
    }

    pub(super) fn real_schema<'a>(&'a self, schema: &'a str) -> &'a str {
        self.views.iter().chain(&self.tables).find(|(_, scratch)| *scratch == schema).map_or(schema, |(real, _)| real)
    }
}

//! Checks of what a transaction builds, before any of it is published.

use std::collections::BTreeMap;

use super::builder::Builder;
use super::decision::Decision;
use super::order::query_text;
use super::statement::{self, next};
use crate::sql::check_query;
use crate::state::{CheckDecl, QName};

impl Builder<'_> {
    /// The checks of everything built in a transaction. A view that takes another query in place is made under a passing
    /// name first, with the views it may read: checked in place, its lock would keep readers waiting.
    pub(super) fn checks(&mut self, members: &[&Decision<'_>], aside: &BTreeMap<QName, QName>) {
        let views: Vec<&Decision<'_>> = members.iter().copied().filter(|d| d.redefined()).collect();
        let last = views.iter().rposition(|d| !d.target.mart.checks.is_empty());
        let views = last.map_or(&[][..], |last| &views[..=last]);
        let mut aside = aside.clone();
        for decision in views {
            let mart = decision.target.mart;
            let name = mart.name.sibling(next(&mart.name.name));
            let create = statement::create(mart, &name, &query_text(decision, &aside), None);
            self.push_with_settings(decision, create);
            aside.insert(mart.name.clone(), name);
        }
        for decision in members.iter().filter(|d| d.builds() || views.iter().any(|v| v.target.mart == d.target.mart)) {
            let mart = decision.target.mart;
            let this = aside.get(&mart.name).unwrap_or(&mart.name);
            let other = |schema: Option<&str>, name: &str| {
                let mut names = match schema {
                    Some(schema) => vec![QName::new(schema, name)],
                    None => mart.search_path.iter().map(|schema| QName::new(schema, name)).collect(),
                };
                names.retain(|name| aside.contains_key(name) || self.actual.relations.contains_key(name));
                aside.get(names.first()?).cloned()
            };
            let steps: Vec<_> =
                mart.checks.iter().map(|check| (check.clone(), check_query(check, this, &other))).collect();
            for (check, sql) in steps {
                self.push_check(decision, check, sql);
            }
        }
        for decision in views.iter().rev() {
            if let Some(name) = aside.get(&decision.target.mart.name) {
                self.push_as_builder(decision, format!("DROP VIEW {name}"));
            }
        }
    }

    /// A check, with its query.
    fn push_check(&mut self, decision: &Decision<'_>, check: CheckDecl, sql: String) {
        self.push_with_settings(decision, sql);
        if let Some(step) = self.out.steps.last_mut() {
            step.check = Some(check);
        }
    }
}

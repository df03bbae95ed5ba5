//! Which marts still have the row and the relation of an earlier name.

use std::collections::{BTreeMap, BTreeSet};

use super::actual::{Actual, Relation};
use super::recorded::Recorded;
use crate::state::{Mart, QName};

/// Each mart whose row stands under another name, with that name. `earlier` are the names that marts had, `recorded` those
/// that rows say of theirs.
///
/// A row under a mart's own name is the mart's: unless it does not say yet that the mart was renamed, and another mart
/// takes it, as where two marts swap names. A row is taken only where its own mart leaves it.
pub(super) fn renamed(
    earlier: &BTreeMap<QName, Vec<QName>>,
    recorded: &BTreeMap<&QName, &[QName]>,
) -> BTreeMap<QName, QName> {
    let mut pending: BTreeMap<QName, QName> = BTreeMap::new();
    for (name, olds) in earlier {
        let says = |old: &QName| recorded.get(name).is_some_and(|said| said.contains(old));
        let old = olds.iter().find(|old| recorded.contains_key(old) && !says(old));
        pending.extend(old.map(|old| (name.clone(), old.clone())));
    }
    loop {
        let before = pending.len();
        let names: BTreeSet<QName> = pending.keys().cloned().collect();
        let taken: BTreeSet<QName> = pending.values().cloned().collect();
        pending.retain(|name, old| {
            let leaves = !recorded.contains_key(name) || taken.contains(name);
            let free = !earlier.contains_key(old) || names.contains(old);
            leaves && free
        });
        if pending.len() == before {
            return pending;
        }
    }
}

impl Actual {
    /// The registry's row of a mart, under its name or the one it had before.
    pub fn row(&self, mart: &Mart) -> Option<&Recorded> {
        self.recorded.get(self.former(&mart.name))
    }

    /// The relation that has a mart's name once marts are renamed, as it is now.
    pub fn relation(&self, name: &QName) -> Option<&Relation> {
        self.relations.get(self.former(name))
    }

    /// The name that a mart's row and relation have now.
    pub fn former<'a>(&'a self, name: &'a QName) -> &'a QName {
        self.renamed.get(name).unwrap_or(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> QName {
        QName::new("public", name)
    }

    /// Marts and rows as `name` or `name<earlier,earlier`; what is renamed, as `old>new`.
    fn told(marts: &[&str], rows: &[&str]) -> String {
        let read = |words: &&str| {
            let (own, earlier) = words.split_once('<').unwrap_or((*words, ""));
            (name(own), earlier.split_terminator(',').map(name).collect())
        };
        let marts: BTreeMap<QName, Vec<QName>> = marts.iter().map(read).collect();
        let rows: BTreeMap<QName, Vec<QName>> = rows.iter().map(read).collect();
        let rows = rows.iter().map(|(name, said)| (name, said.as_slice())).collect();
        let words: Vec<String> =
            renamed(&marts, &rows).iter().map(|(new, old)| format!("{}>{}", old.name, new.name)).collect();
        words.join(" ")
    }

    #[test]
    fn one_mart_has_the_row_of_its_earlier_name_until_it_has_its_own() {
        assert_eq!(told(&["b<a"], &["a"]), "a>b");
        assert_eq!(told(&["b<x,a"], &["a"]), "a>b");
        assert_eq!(told(&["b<a"], &["b<a"]), "");
        assert_eq!(told(&["b<a"], &["a", "b"]), "", "nobody else wants what stands there");
        assert_eq!(told(&["b<a"], &[]), "");
    }

    #[test]
    fn rings_and_chains_move_as_one_and_once() {
        assert_eq!(told(&["a<b", "b<a"], &["a", "b"]), "b>a a>b");
        assert_eq!(told(&["a<b", "b<a"], &["a<b", "b<a"]), "");
        assert_eq!(told(&["a<c", "b<a", "c<b"], &["a", "b", "c"]), "c>a a>b b>c");
        assert_eq!(told(&["b<a", "c<b"], &["a", "b"]), "a>b b>c");
        assert_eq!(told(&["b<a", "c<b"], &["b<a", "c<b"]), "");
        assert_eq!(told(&["b<a", "c<b"], &["b"]), "", "whether `b` is the old one cannot be told");
    }

    #[test]
    fn what_stays_is_not_taken() {
        assert_eq!(told(&["a<b", "b<a"], &["a"]), "", "`b` was never applied");
        assert_eq!(told(&["b<gone", "c<b"], &["b<gone"]), "");
    }
}

//! What is built aside: its names, and the mark that tells it from anybody else's.

use super::{Fingerprint, MAX_NAME_BYTES, Mart, QName, derived_name, quote_ident};

/// How often a publication tries for its short locks before it gives up.
pub const PUBLICATION_TRIES: u32 = 20;

/// The suffix of what is built aside.
pub const NEXT: &str = "__next";

/// The name something has while it is built aside. Long names keep what tells them apart.
pub fn next_name(name: &str) -> String {
    if name.len() + NEXT.len() <= MAX_NAME_BYTES {
        return format!("{name}{NEXT}");
    }
    let hash = Fingerprint::of(&name).0;
    let hash = &hash[hash.len() - 8..];
    derived_name(name, &format!("_{hash}{NEXT}"))
}

/// The name that something passes through where names are exchanged, within one transaction; nobody else chooses it.
pub fn passing_name(of: &QName) -> String {
    let hash = Fingerprint::of(of).0;
    let hash = &hash[hash.len() - 8..];
    derived_name(&of.name, &format!("__swap_{hash}"))
}

impl Mart {
    /// The names a mart needs beside its own, sooner or later: of its indexes, and of what is built aside.
    pub fn names_beside(&self) -> Vec<QName> {
        let mut names = vec![next_name(&self.name.name)];
        let key = (!self.primary_key.is_empty()).then(|| derived_name(&self.name.name, "_pkey"));
        for index in self.indexes.iter().map(|index| index.name.clone()).chain(key) {
            names.push(next_name(&index));
            names.push(index);
        }
        names.into_iter().map(|name| self.name.sibling(name)).collect()
    }
}

/// The comment on a table that a refresh fills, so that no other of that name is ever dropped.
pub fn next_mark(mart: &QName) -> String {
    format!("datamart: the next rows of {mart}")
}

/// What begins every comment on what an apply builds aside.
const ASIDE: &str = "datamart: built aside by an apply of ";

/// How the comments begin on what applies of `project` build aside.
pub fn aside_prefix(project: &str) -> String {
    format!("{ASIDE}{}: ", quote_ident(project))
}

/// The comment on what an apply builds aside under `name`, until it is published: `made_by` is the fingerprint of
/// everything that made it.
pub fn aside_mark(project: &str, name: &QName, made_by: &Fingerprint) -> String {
    format!("{}{name}, {made_by}", aside_prefix(project))
}

/// Made by what has not filled it yet: nothing is to be published of it.
pub const NOT_FILLED: &str = "not filled";

/// The fingerprint in such a comment; `None` where it is another's.
pub fn aside_fingerprint(comment: &str, project: &str, name: &QName) -> Option<Fingerprint> {
    let rest = comment.strip_prefix(&aside_prefix(project))?;
    let made_by = rest.strip_prefix(&format!("{name}, "))?;
    Some(Fingerprint(made_by.to_owned()))
}

/// Whether a comment says that an apply, of whatever project, built `name` aside.
pub fn is_aside_mark(comment: &str, name: &QName) -> bool {
    let end = comment.rfind(", sha256:").and_then(|at| comment.get(..at));
    comment.starts_with(ASIDE) && end.is_some_and(|end| end.ends_with(&format!(": {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_stay_apart() {
        assert_eq!(next_name("sales"), "sales__next");
        let [a, b] = ["a", "b"].map(|end| next_name(&format!("{}{end}", "x".repeat(62))));
        assert!(a.len() <= MAX_NAME_BYTES && a.ends_with(NEXT));
        assert_ne!(a, b);
    }

    #[test]
    fn a_mark_tells_its_project_its_name_and_what_made_it() {
        let (name, made_by) = (QName::new("public", "sales__next"), Fingerprint::of("all of it"));
        let mark = aside_mark("the shop", &name, &made_by);
        assert_eq!(aside_fingerprint(&mark, "the shop", &name), Some(made_by));
        assert_eq!(aside_fingerprint(&mark, "shop", &name), None);
        assert!(is_aside_mark(&mark, &name));
        let copy = QName::new("public", "copy_of_sales__next");
        assert!(!is_aside_mark(&mark, &copy) && aside_fingerprint(&mark, "the shop", &copy).is_none());
        assert!(!is_aside_mark(&next_mark(&QName::new("public", "sales")), &name));
    }
}

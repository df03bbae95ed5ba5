//! What is built aside: its names, and the mark that tells it from anybody else's.

use super::{Fingerprint, MAX_NAME_BYTES, Mart, QName, derived_name};

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
}

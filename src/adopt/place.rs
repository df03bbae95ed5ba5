//! Where new manifests stand: a folder per schema, a file per mart.

use std::collections::BTreeSet;

use crate::state::QName;

/// The longest stem: file systems take 255 bytes, and a query stands beside under the same name.
const LONGEST: usize = 200;

/// Paths below the manifests' folder that are taken. Names that differ only in case are one on some file systems.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: BTreeSet<String>,
}

impl Places {
    /// Takes the path of a manifest, and with it the one of a query beside it; `false` where either is taken.
    pub(super) fn take(&mut self, path: &str) -> bool {
        let stem = path.strip_suffix(".toml").or_else(|| path.strip_suffix(".sql")).unwrap_or(path);
        self.taken.insert(stem.to_lowercase())
    }

    /// A path for a mart that has no manifest yet: `<schema>/<name>.toml`, numbered where that is taken.
    pub(super) fn of(&mut self, name: &QName) -> String {
        let (folder, stem) = (safe(&name.schema), safe(&name.name));
        let mut number = 1;
        loop {
            let path = match number {
                1 => format!("{folder}/{stem}.toml"),
                _ => format!("{folder}/{stem}-{number}.toml"),
            };
            if self.take(&path) {
                return path;
            }
            number += 1;
        }
    }
}

/// A name that every file system takes, and that neither hides a file nor leads out of the folder.
fn safe(name: &str) -> String {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$');
    let mut safe: String = name.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    if safe.starts_with(['.', '-']) {
        safe.replace_range(..1, "_");
    }
    while safe.len() > LONGEST {
        safe.pop();
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mart_has_a_file_of_its_own() {
        let mut places = Places::default();
        assert!(places.take("public/Sales.toml"));
        let mut of = |schema: &str, name: &str| places.of(&QName::new(schema, name));
        assert_eq!(of("public", "sales"), "public/sales-2.toml");
        assert_eq!(of("public", "a/b"), "public/a_b.toml");
        assert_eq!(of("public", "a b"), "public/a_b-2.toml");
        assert_eq!(of("my-schema", "..\\x"), "my-schema/_._x.toml");
        assert_eq!(of("..", "ñandú"), "_./ñandú.toml");
    }
}

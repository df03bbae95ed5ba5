//! Names of what keeps marts as writers commit.

use sha2::{Digest, Sha256};

use super::{MAX_NAME_BYTES, QName, derived_name};

/// What a project's writers keep marts with, all of it in the registry's schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keeper {
    registry: String,
    base: String,
}

impl Keeper {
    /// Of a project.
    pub fn new(registry: &str, project: &str) -> Self {
        let hash = hex::encode(Sha256::digest(project.as_bytes()));
        Self { registry: registry.to_owned(), base: format!("commits_{}", &hash[..8]) }
    }

    fn named(&self, end: &str) -> QName {
        QName::new(&self.registry, format!("{}{end}", self.base))
    }

    /// The table of transactions that wrote to a source and are not over, its trigger, and the function of that.
    pub fn transactions(&self) -> QName {
        self.named("")
    }

    /// The table whose rows say who keeps which groups just now.
    pub fn locks(&self) -> QName {
        self.named("_locks")
    }

    /// The function that calls those of the marts, one after the other.
    pub fn work(&self) -> QName {
        self.named("_work")
    }

    /// The function that does so with the settings that refreshes have.
    pub fn pinned(&self) -> QName {
        self.named("_pinned")
    }

    /// What the names of the marts' functions begin with; nothing else's does.
    pub fn prefix(&self) -> String {
        format!("{}__", self.base)
    }

    /// The function that keeps a mart.
    pub fn mart(&self, mart: &QName) -> QName {
        let name = format!("{}{}_{}", self.prefix(), mart.schema, mart.name);
        let ambiguous = mart.schema.contains('_') || mart.name.contains('_');
        if !ambiguous && name.len() <= MAX_NAME_BYTES {
            return QName::new(&self.registry, name);
        }
        let hash = hex::encode(Sha256::digest(format!("{}\0{}", mart.schema, mart.name)));
        QName::new(&self.registry, derived_name(&name, &format!("_{}", &hash[..8])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mart_of_every_project_has_its_own() {
        let shop = Keeper::new("datamart", "shop");
        let name = |schema: &str, name: &str| shop.mart(&QName::new(schema, name)).name;
        assert!(name("public", "sales").ends_with("__public_sales"), "{}", name("public", "sales"));
        assert_ne!(name("a_b", "c"), name("a", "b_c"));
        assert!(name("public", &"ö".repeat(31)).len() <= MAX_NAME_BYTES);
        assert!(name("a", "b_c").starts_with(&shop.prefix()));
        assert_ne!(shop.transactions(), Keeper::new("datamart", "sho").transactions());
        assert_eq!(shop.work(), Keeper::new("datamart", "shop").work());
    }
}

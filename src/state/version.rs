//! Versions of a mart: relations of their own behind one stable view.

use serde::{Deserialize, Serialize};

use super::{Mart, QName, derived_name};

/// When a versioned mart gets another version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VersionOn {
    /// When its definition changes.
    #[default]
    Change,
    /// At every refresh, too.
    Refresh,
}

/// `[versions]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// How many are kept, the published one among them.
    pub keep: u32,
    /// When there is another one.
    #[serde(default)]
    pub on: VersionOn,
    /// The version that is published; the newest unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<u32>,
}

/// The name of a mart's version: `sales_v3`. A long one leaves room for `_pkey`, so that the names of the primary keys of two
/// versions differ, too.
pub fn version_name(mart: &QName, number: u32) -> QName {
    let mut name = derived_name(&mart.name, &format!("_v{number}_pkey"));
    name.truncate(name.len() - "_pkey".len());
    mart.sibling(name)
}

/// What a relation is to its versioned mart.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// The view of the mart's name, which selects from the published version.
    Stable {
        /// The mart, whole.
        whole: Box<Mart>,
        /// The version it selects from.
        number: u32,
    },
    /// A version.
    Version {
        /// Its mart.
        of: QName,
        /// Its number.
        number: u32,
        /// It is as the manifest says now; an older one is as it was made.
        declared: bool,
    },
}

impl Part {
    /// The mart it belongs to.
    pub fn mart(&self) -> &QName {
        match self {
            Self::Stable { whole, .. } => &whole.name,
            Self::Version { of, .. } => of,
        }
    }
}

/// The view that shows the rows of a mart and more than these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownBy {
    /// Its text.
    pub text: String,
    /// The registry's tables that it reads, which its owner may have to be given.
    pub reads: Vec<QName>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_whole() {
        let mart = QName::new("public", "sales");
        assert_eq!(version_name(&mart, 12), QName::new("public", "sales_v12"));
        let long = QName::new("public", "x".repeat(63));
        assert!(version_name(&long, 3).name.ends_with("x_v3"));
        assert_eq!(version_name(&long, 3).name.len(), 58);
        let umlauts = QName::new("public", "ä".repeat(31));
        assert_eq!(version_name(&umlauts, 12).name, format!("{}_v12", "ä".repeat(27)));
    }
}

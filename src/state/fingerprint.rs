//! Fingerprints: what two things must share to be the same.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// `sha256:` and 64 hexadecimal digits over a value's JSON form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub String);

impl Fingerprint {
    /// The fingerprint of a value. Maps with a fixed order (`BTreeMap`, structs) give a fixed fingerprint.
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Self {
        let mut hasher = Sha256::new();
        // Our own types always serialise; a failure would only hash what was written so far.
        let bytes = serde_json::to_vec(value).unwrap_or_default();
        hasher.update(&bytes);
        Self(format!("sha256:{}", hex::encode(hasher.finalize())))
    }

    /// The first twelve digits, for people.
    pub fn short(&self) -> &str {
        self.0.get(7..19).unwrap_or(&self.0)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_equal_fingerprints() {
        let a = Fingerprint::of(&("orders", 1));
        assert_eq!(a, Fingerprint::of(&("orders", 1)));
        assert_ne!(a, Fingerprint::of(&("orders", 2)));
        assert_eq!(a.0.len(), 71);
        assert_eq!(a.short().len(), 12);
    }
}

//! How far the partitions of a mart reached.

use serde::{Deserialize, Serialize};

/// From when the first partition of a mart took rows when it was applied, and the last: as PostgreSQL prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divided {
    /// The first.
    pub first: String,
    /// The last.
    pub last: String,
}

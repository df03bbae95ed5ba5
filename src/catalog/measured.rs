//! What a change would cost, as types.

use std::collections::{BTreeSet, HashMap};

use crate::state::QName;

/// What a change would cost. Empty where nobody looked.
#[derive(Debug, Clone, Default)]
pub struct Measures {
    /// Bytes of relations, without their indexes.
    pub bytes: HashMap<QName, i64>,
    /// Indexes, by relation and name.
    pub indexes: HashMap<(QName, String), IndexMeasure>,
    /// How long the newest refresh of a mart that went well took, in milliseconds.
    pub durations: HashMap<QName, f64>,
    /// Attached replicas by name, as far as this role can see them.
    pub replicas: BTreeSet<String>,
}

/// The size and the use of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexMeasure {
    /// Bytes.
    pub bytes: i64,
    /// Scans since the statistics were reset.
    pub scans: i64,
}

//! Marts whose locks a revision waits for: no run of theirs begins before it has had its turn. Where runs follow each other at once, or
//! are many, it would never find all of them at rest.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::state::QName;

/// Which marts these are; all clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted(Arc<Mutex<BTreeSet<QName>>>);

impl Wanted {
    /// These, and no others.
    pub fn are(&self, marts: BTreeSet<QName>) {
        *self.marts() = marts;
    }

    /// None any more.
    pub fn none(&self) {
        self.marts().clear();
    }

    /// Which they are now.
    pub fn now(&self) -> BTreeSet<QName> {
        self.marts().clone()
    }

    fn marts(&self) -> MutexGuard<'_, BTreeSet<QName>> {
        // A set is whole whatever befell who wrote it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

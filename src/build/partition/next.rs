//! The next rows of a partitioned mart: which are computed, and what stands for what.

use chrono::NaiveDateTime;

use super::touched::Touched;
use crate::catalog::Attached;
use crate::state::QName;

/// From when on rows are computed; older ones stay as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// On the wall of the mart's zone.
    pub at: NaiveDateTime,
    /// The same as a value of the mart's column.
    pub value: String,
    /// Whether rows without a time stay, too.
    pub keeps_timeless: bool,
}

/// Which rows are computed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    /// Those from then on.
    pub cut: Option<Cut>,
    /// Those of some partitions, and the condition that they meet.
    pub touched: Option<(Touched, String)>,
    /// The query that gives them, and perhaps others; absent: the mart's.
    pub query: Option<String>,
    /// What the query reads: it is kept from being exchanged before the snapshot is taken in which it is read.
    pub reads: Vec<QName>,
}

impl Which {
    /// All rows there are, by the mart's own query.
    pub fn is_all(&self) -> bool {
        self.cut.is_none() && self.touched.is_none() && self.query.is_none()
    }
}

/// The next rows of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextPart {
    /// The partition there is; `None`: it is new.
    pub live: Option<Attached>,
    /// The name it will have.
    pub name: QName,
    /// The name it has until then.
    pub next: QName,
    /// What it takes.
    pub bound: String,
    /// The same as a condition, of a new one.
    pub condition: Option<String>,
    /// A constraint says that, and was there before the rows.
    pub bounded: bool,
    /// How many rows it has, where that was told as they were written.
    pub rows: Option<u64>,
    /// How many the partition there is has, where they were counted meanwhile.
    pub held: Option<u64>,
}

impl NextPart {
    /// Whether it takes what no other takes.
    pub fn is_default(&self) -> bool {
        self.bound == "DEFAULT"
    }
}

/// The next rows, divided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextParts {
    /// The relation that holds them.
    pub name: QName,
    /// Its partitions that stand for one of the mart.
    pub parts: Vec<NextPart>,
    /// `pg_current_snapshot()` of the fill.
    pub snapshot: String,
    /// Something says that rows of each changed.
    pub differ: bool,
}

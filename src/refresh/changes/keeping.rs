//! How far a refresh of a mart is that writers keep as they commit.

use crate::build::position::Standing;
use crate::refresh::{How, Item};
use crate::state::Strategy;

/// How far a refresh of such a mart is.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    /// No writer is at it.
    pub alone: bool,
    /// Why all of its rows are computed.
    pub all: Option<String>,
}

/// Of a mart that writers keep.
pub(super) fn begin(item: &Item) -> Option<Kept> {
    let asked = item.asked.how == How::Full;
    let all = asked.then(|| "all rows were asked for".to_owned());
    (item.recorded.mart.refresh.strategy == Strategy::OnCommit).then_some(Kept { alone: false, all })
}

/// How many rows the mart has, where nobody but refreshes writes them.
pub(super) fn counted(item: &Item, standing: &Standing) -> Option<i64> {
    standing.rows.filter(|_| item.recorded.mart.refresh.strategy != Strategy::OnCommit)
}

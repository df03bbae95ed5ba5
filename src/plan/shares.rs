//! Whether several sessions fill a large mart in partitions, and how its rows are shared among them.

use crate::compile::Weight;
use crate::manifest::Project;
use crate::state::Piece;

/// What writing a row costs, in the planner's units: measured, as the planner does not think of it.
const WRITTEN: f64 = 0.2;
/// What costs less than this is done before there would be several transactions of it.
const LARGE: f64 = 50_000.0;
/// The rows of a twentieth of the time cost less than this part of all: the bounds reach what is read.
const REACHES: f64 = 0.15;
/// So many statements at most: each begins to read anew.
const MOST: usize = 64;

/// How the rows of a mart are divided into statements.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shares {
    pub(super) weight: Weight,
    /// Each of so many neighbouring partitions.
    pub(super) every: usize,
    /// They are read apart, too. Else each statement reads all, and writes its part.
    pub(super) reaches: bool,
    /// By so many sessions.
    pub(super) sessions: usize,
}

/// How a mart of these partitions is filled, where that pays.
pub(super) fn shares(weight: Option<&Weight>, pieces: &[Piece], project: &Project) -> Option<Shares> {
    let weight = weight.filter(|_| project.limits.parallel_refreshes > 1 && project.max_size().is_none())?;
    let ranges = pieces.iter().filter(|piece| holds(piece, weight)).count();
    let written = weight.rows * WRITTEN;
    if ranges < 2 || weight.whole + written < LARGE {
        return None;
    }
    // Reading all in each session costs less than it looks: in order, and without an index.
    let all = weight.whole * f64::from(project.limits.parallel_refreshes) <= written;
    let reaches = !all && weight.part <= weight.whole * REACHES;
    let sessions = usize::try_from(project.limits.parallel_refreshes).ok()?;
    let every = ranges.div_ceil(if reaches { MOST } else { sessions });
    (reaches || all).then(|| Shares { weight: weight.clone(), every, reaches, sessions })
}

/// Whether there are rows up to there; what comes later is found where no others are.
pub(super) fn holds(piece: &Piece, weight: &Weight) -> bool {
    piece.range.as_ref().is_some_and(|(from, _)| *from <= weight.last)
}

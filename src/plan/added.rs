//! Options that somebody set on a mart by hand: they go along with what takes its place, like indexes that nobody declared.

use super::aspect::{Fix, Mode};
use super::decision::Decision;
use crate::state::Mart;

impl Decision<'_> {
    /// The mart as its relation is made: with what was added to its options, and neither declared nor to be mended.
    pub(super) fn stored(&self) -> Mart {
        let mut mart = self.target.mart.clone();
        let live = self.target.live.iter().flat_map(|live| &live.options);
        let added: Vec<_> = live.filter(|(name, _)| self.was_added(name)).collect();
        mart.with.extend(added.into_iter().map(|(name, value)| (name.clone(), value.clone())));
        mart
    }

    /// What of it has drifted and stays so: the registry goes on saying what it should be.
    pub(super) fn stays_drifted(&self) -> Vec<String> {
        // What is built anew is as declared otherwise.
        let mut aspects = if self.builds() { Vec::new() } else { self.drifted.clone() };
        let live = self.target.live.iter().flat_map(|live| live.options.keys());
        for name in live.filter(|name| self.was_added(name)) {
            let aspect = format!("options:{name}");
            if !aspects.contains(&aspect) {
                aspects.push(aspect);
            }
        }
        aspects
    }

    fn was_added(&self, option: &String) -> bool {
        let target = &self.target;
        let same = target.live.is_some_and(|live| live.kind.is(target.mart.kind));
        // The options of a divided table are those of its partitions.
        same && target.mart.partition.is_none()
            && matches!(self.mode, Mode::Rebuild | Mode::InPlace)
            && !target.mart.with.contains_key(option)
            && !self.differences.iter().any(|difference| difference.fix == Fix::ResetOption(option.clone()))
    }
}

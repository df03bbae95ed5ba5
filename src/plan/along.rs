//! What goes along with a mart whose relation is exchanged, and when each statement of it comes.

use super::builder::Builder;
use super::carry::{self, Made};
use super::decision::Decision;
use super::lost::Place;
use super::{Step, place};

impl Builder<'_> {
    fn place<'a>(&self, decision: &'a Decision<'_>, members: &[&Decision<'_>]) -> Option<Place<'a>> {
        let target = &decision.target;
        let live = target.live.filter(|_| decision.exchanges())?;
        let owner = self.builder_role(decision).unwrap_or_else(|| self.actual.server.user.clone());
        let exchanged = members.iter().filter(|d| d.exchanges() && d.target.mart.kind.is_table());
        let beside = exchanged.filter_map(|d| Some(d.target.live?.name.clone())).collect();
        Some(place::place(target, &decision.differences, live, owner, beside))
    }

    /// While the new relation stands aside and holds its rows.
    pub(super) fn carry_aside(&mut self, decision: &Decision<'_>) {
        let made = self.place(decision, &[]).map(|place| carry::aside(&place)).unwrap_or_default();
        for made in made {
            let role = self.role_of(decision, &made);
            self.push(&decision.target.mart.name, made.sql, role);
        }
    }

    /// In the publication, before the old relations go.
    pub(super) fn carry_before(&mut self, members: &[&Decision<'_>]) {
        for decision in members {
            let made = self.place(decision, members).map(|place| carry::before(&place));
            self.carry(decision, made.unwrap_or_default());
        }
    }

    /// In the publication, once every new relation has its name. Gives what is then done alone.
    pub(super) fn carry_after(&mut self, members: &[&Decision<'_>]) -> Vec<Step> {
        let mut alone = Vec::new();
        for decision in members {
            let Some(place) = self.place(decision, members) else { continue };
            let mut made = Vec::new();
            let mut last = Vec::new();
            for (add, validate) in carry::foreign_keys(&place, place.name) {
                made.extend(add);
                last.extend(validate);
            }
            made.extend(carry::after(&place));
            last.extend(carry::last(&place));
            self.carry(decision, made);
            let name = &decision.target.mart.name;
            for made in last {
                let role = self.role_of(decision, &made);
                alone.push(Step { transaction: None, lock_timeout_ms: 0, ..self.step(name, made.sql, role) });
            }
        }
        alone
    }

    fn carry(&mut self, decision: &Decision<'_>, made: Vec<Made>) {
        for made in made {
            let role = self.role_of(decision, &made);
            self.publish(&decision.target.mart.name, made.sql, role);
        }
    }

    fn role_of(&self, decision: &Decision<'_>, made: &Made) -> Option<String> {
        if made.ours { None } else { self.builder_role(decision) }
    }
}

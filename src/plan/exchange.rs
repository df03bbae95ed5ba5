//! Publishing: what was built takes the place of what is there, in one short transaction.

use super::aside::Aside;
use super::aspect::{Fix, Mode};
use super::builder::Builder;
use super::carry::comment_on;
use super::decision::Decision;
use super::order::{Old, dependents_first, query_text};
use super::partitions;
use super::statement::{self, next};
use super::{Record, RecordRow, Step};
use crate::catalog::{Recorded, expired};
use crate::sql::detach;
use crate::state::{Kind, OnExpire, Part, Partition, detached_name, quote_ident};

impl Builder<'_> {
    /// Everything that is published together: views are re-pointed, what is old goes, what was built takes its place.
    pub(super) fn publish_all(&mut self, members: &[&Decision<'_>], aside: &Aside) {
        for decision in members.iter().filter(|d| d.builds()) {
            self.unmark(decision, aside);
        }
        let in_place =
            |changes: bool| members.iter().filter(move |d| d.mode == Mode::InPlace && d.redefined() == changes);
        // Views that only follow are re-pointed from the outermost inwards, as readers lock them.
        for decision in in_place(false).collect::<Vec<_>>().into_iter().rev() {
            self.replace_view(decision, aside);
        }
        for decision in in_place(true) {
            self.replace_view(decision, aside);
        }
        self.carry_before(members);
        for old in dependents_first(members, &self.dropped, self.actual) {
            match old {
                Old::Exchanged(decision) => self.drop_old(decision),
                Old::Dropped(recorded) => self.drop(recorded),
            }
        }
        for decision in members.iter().filter(|d| d.builds()) {
            self.take_place(decision, aside);
        }
        self.own_words(members);
    }

    /// Views that are not ours get their own words back: PostgreSQL would go on printing the aliases that came with pointing them at what was
    /// built aside.
    fn own_words(&mut self, members: &[&Decision<'_>]) {
        let views = members.iter().filter(|d| d.target.follower.is_some() && d.target.mart.kind == Kind::View);
        for decision in views.filter(|d| d.mode != Mode::Drop) {
            self.replace_view(decision, &Aside::new());
        }
    }

    /// The comment that marked it makes room for the one it ends with.
    fn unmark(&mut self, decision: &Decision<'_>, aside: &Aside) {
        let target = &decision.target;
        let Some(name) = aside.get(&target.mart.name) else { return };
        let comment = statement::comment(target, target.live.filter(|_| decision.exchanges()));
        let sql = comment_on(target.mart.kind, name, comment.as_ref());
        self.push_as_builder(decision, sql);
    }

    fn replace_view(&mut self, decision: &Decision<'_>, aside: &Aside) {
        let mart = decision.target.mart;
        let owner = mart.owner.as_ref().filter(|_| decision.differences.iter().any(|d| matches!(d.fix, Fix::Owner(_))));
        if let Some(owner) = owner {
            // Its new owner's query is run by its new owner.
            let sql = format!("ALTER VIEW {} OWNER TO {}", mart.name, quote_ident(owner));
            self.publish(&mart.name, sql, None);
        }
        self.let_read(decision);
        let query = query_text(decision, aside);
        let step = Step {
            settings: self.settings(decision),
            lock_timeout_ms: self.project.database.publish_lock_timeout_ms,
            publication: true,
            ..self.step(&mart.name, statement::replace_view(&decision.stored(), &query), self.builder_role(decision))
        };
        self.out.steps.push(step);
    }

    fn drop_old(&mut self, decision: &Decision<'_>) {
        let target = &decision.target;
        let Some(live) = target.live else { return };
        let kind = target.recorded.map_or(target.mart.kind, |r| r.mart.kind);
        let role = self.role(Some(&live.owner));
        // Partitions that are to become tables of their own and could not so far do not go with it.
        let before = target.recorded.map(|recorded| &recorded.mart).filter(|mart| {
            let ranges = mart.partition.as_ref().and_then(Partition::ranges);
            ranges.is_some_and(|ranges| ranges.on_expire == OnExpire::Detach)
        });
        for old in before.map(|mart| expired(mart, live, target.now)).unwrap_or_default() {
            let to = detached_name(&live.name, &old.name, |name| self.actual.taken.contains_key(name));
            for sql in detach(&live.name, &old.name, to.as_ref()) {
                self.publish(&target.mart.name, sql, role.clone());
            }
        }
        self.publish(&target.mart.name, format!("DROP {} {}", kind.sql(), target.mart.name), role);
    }

    fn take_place(&mut self, decision: &Decision<'_>, aside: &Aside) {
        let target = &decision.target;
        let mart = target.mart;
        let Some(built) = aside.get(&mart.name) else { return };
        let role = self.builder_role(decision);
        let rename = |index: &str| {
            let from = mart.name.sibling(next(index));
            format!("ALTER INDEX {from} RENAME TO {}", quote_ident(index))
        };
        for sql in statement::rename(mart.kind, built, &mart.name) {
            self.publish(&mart.name, sql, role.clone());
        }
        for sql in partitions::take_place(target) {
            self.publish(&mart.name, sql, role.clone());
        }
        if mart.kind.is_table() && !mart.primary_key.is_empty() {
            self.publish(&mart.name, rename(&target.primary_key_name()), role.clone());
        }
        let declared = mart.indexes.iter().map(|index| index.name.clone());
        let carried = statement::carried_indexes(target, target.live.filter(|_| decision.exchanges()));
        let carried = carried.into_iter().map(|(name, _)| name.clone());
        for index in declared.chain(carried).collect::<Vec<_>>() {
            self.publish(&mart.name, rename(&index), role.clone());
        }
    }

    pub(super) fn drop(&mut self, recorded: &Recorded) {
        let name = &recorded.mart.name;
        self.dropped.remove(name);
        if let Some(live) = self.actual.relations.get(name) {
            let role = self.role(Some(&live.owner));
            self.publish(name, format!("DROP {} {name}", recorded.mart.kind.sql()), role);
        }
        let row = match &recorded.part {
            Some(Part::Version { of, number, .. }) => RecordRow::Forget { of: of.clone(), number: *number },
            _ => RecordRow::Delete,
        };
        self.out.records.push(Record { transaction: self.transaction, mart: name.clone(), row });
    }
}

//! Why the logs do not tell what a mart missed.

use std::collections::BTreeMap;

use super::{SourceStand, Stand};

impl Stand {
    /// Whether the query means what it meant.
    pub fn means_the_same(&self, other: &Self) -> bool {
        (&self.definition, &self.functions, &self.views) == (&other.definition, &other.functions, &other.views)
    }

    /// Why the logs will not tell what changes from now on.
    pub fn unnoticed(&self) -> Option<String> {
        self.sources.iter().find_map(|source| {
            let table = &source.table;
            match source {
                _ if source.relation.is_empty() => Some(format!("{table} is not there")),
                _ if source.generation.is_none() => {
                    Some(format!("the log of {table} is not there, or a crash or a failover emptied it"))
                }
                _ if !source.noticed => {
                    Some(format!("a trigger that logs the changes of {table} is missing, or does not always fire"))
                }
                _ => None,
            }
        })
    }
}

/// What is not as it was, in words; `None`: the logs tell everything since.
pub fn moved(before: &Stand, now: &Stand) -> Option<String> {
    let parts = [
        (before.system == now.system, "the data came from another server"),
        (before.definition == now.definition, "its query changed"),
        (before.settings == now.settings && before.server == now.server, "a setting that its query depends on changed"),
        (before.functions == now.functions, "a function that its query calls changed"),
        (before.views == now.views, "a view that its query reads changed"),
    ];
    let part = parts.into_iter().find(|(same, _)| !same).map(|(_, words)| words.to_owned());
    part.or_else(|| {
        if before.sources.len() != now.sources.len() {
            return Some("its query reads other tables".to_owned());
        }
        let sources = before.sources.iter().zip(&now.sources);
        // A build of all rows that could not be noted exchanged it, too: what was behind that says more.
        let own = || own_moved(&before.mart, &now.mart).map(str::to_owned);
        sources.into_iter().find_map(|(before, now)| source_moved(before, now)).or_else(own)
    })
}

/// Of a mart its number is told, and of its partitions what each takes and its number. One that came or went holds, or held, no row
/// of before that is not known; another one in the place of one holds nobody knows what.
fn own_moved(before: &str, now: &str) -> Option<&'static str> {
    let ((was, parts), (is, others)) = (told(before), told(now));
    if was != is {
        return Some("it was made anew");
    }
    let other = parts.iter().any(|(takes, number)| others.get(takes).is_some_and(|other| other != number));
    other.then_some("a partition of it was made anew")
}

fn told(mart: &str) -> (&str, BTreeMap<&str, &str>) {
    let mut words = mart.split(' ');
    (words.next().unwrap_or_default(), words.filter_map(|word| word.split_once(':')).collect())
}

fn source_moved(before: &SourceStand, now: &SourceStand) -> Option<String> {
    let table = &now.table;
    // What was added is nothing that the query reads.
    let columns = now.columns.starts_with(&before.columns);
    let parts = [
        (before.relation == now.relation && before.table == now.table, format!("{table} was made anew")),
        (columns, format!("a column of {table} changed")),
        (before.labels == now.labels, format!("an enumeration that {table} has values of changed")),
        (before.members == now.members, format!("a partition of {table} came or went")),
        (before.files == now.files, format!("{table} was rewritten")),
        (before.generation == now.generation, format!("the log of {table} was made anew")),
        (before.triggers == now.triggers, format!("a trigger that logs the changes of {table} was changed")),
    ];
    parts.into_iter().find(|(same, _)| !same).map(|(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stand() -> Stand {
        let source = SourceStand {
            table: "public.orders".into(),
            relation: "1".into(),
            columns: vec!["1 id 23".into()],
            noticed: true,
            generation: Some("a".into()),
            ..SourceStand::default()
        };
        Stand { sources: vec![source], ..Stand::default() }
    }

    fn with(change: impl Fn(&mut SourceStand)) -> Option<String> {
        let mut now = stand();
        now.sources.iter_mut().for_each(change);
        moved(&stand(), &now)
    }

    #[test]
    fn what_moved_is_named() {
        assert_eq!(moved(&stand(), &stand()), None);
        assert_eq!(
            moved(&stand(), &Stand { functions: "7:1".into(), ..stand() }).as_deref(),
            Some("a function that its query calls changed")
        );
        assert_eq!(with(|s| s.columns.push("2 note 25".into())), None);
        assert_eq!(with(|s| s.columns[0] = "1 key 23".into()).as_deref(), Some("a column of public.orders changed"));
        assert_eq!(with(|s| s.files = "2".into()).as_deref(), Some("public.orders was rewritten"));
        assert_eq!(with(|s| s.generation = None).as_deref(), Some("the log of public.orders was made anew"));
    }

    #[test]
    fn another_partition_in_the_place_of_one_is_noticed() {
        let told = |before: &str, now: &str| own_moved(before, now);
        assert_eq!(told("7", "7"), None);
        assert_eq!(told("7", "8 a:1"), Some("it was made anew"));
        assert_eq!(told("7 a:1 b:2", "7 b:2 c:3"), None);
        assert_eq!(told("7 a:1 b:2", "7 a:3 b:2"), Some("a partition of it was made anew"));
    }

    #[test]
    fn what_is_not_logged_is_named() {
        assert_eq!(stand().unnoticed(), None);
        let mut disabled = stand();
        disabled.sources[0].noticed = false;
        let told = "a trigger that logs the changes of public.orders is missing, or does not always fire";
        assert_eq!(disabled.unnoticed().as_deref(), Some(told));
    }
}

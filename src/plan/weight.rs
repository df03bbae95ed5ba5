//! What a change weighs, in words: rows, bytes, how long it takes, who reads it.

use crate::catalog::{Actual, Relation};
use crate::state::{QName, format_duration, human_size, thousands};

/// Bytes that a query computes in a second, and bytes that an index is built over: guesses, told as such.
const COMPUTED_A_SECOND: i64 = 20 * 1024 * 1024;
const INDEXED_A_SECOND: i64 = 50 * 1024 * 1024;

/// How many dependents are named.
const NAMED: usize = 5;

/// Rows and bytes of a relation.
pub(super) fn size(live: &Relation, actual: &Actual) -> String {
    let rows = match live.tuples {
        rows if rows < 0.0 => "an unknown number of rows".to_owned(),
        rows => format!("about {} rows", thousands(rows as i64)),
    };
    match actual.measures.bytes.get(&live.name) {
        Some(bytes) => format!("{rows}, {}", human_size(*bytes)),
        None => rows,
    }
}

/// How long computing a mart may take: as its last refresh did, else by its size.
pub(super) fn computed(mart: &QName, live: &Relation, actual: &Actual) -> String {
    match actual.measures.durations.get(actual.former(mart)) {
        Some(milliseconds) => format!(", {} at its last refresh", seconds(milliseconds / 1000.0)),
        None => guessed(live, actual, COMPUTED_A_SECOND),
    }
}

/// How long an index build may take.
pub(super) fn indexed(live: &Relation, actual: &Actual) -> String {
    guessed(live, actual, INDEXED_A_SECOND)
}

fn guessed(live: &Relation, actual: &Actual, a_second: i64) -> String {
    let bytes = actual.measures.bytes.get(&live.name);
    bytes.map_or_else(String::new, |bytes| format!(", {} by its size", seconds(*bytes as f64 / a_second as f64)))
}

fn seconds(seconds: f64) -> String {
    if seconds < 1.0 { "under 1s".to_owned() } else { format_duration(seconds.round() as u64) }
}

/// Who reads a relation: `; read by public.top`, at most five by name.
pub(super) fn readers(live: &Relation) -> String {
    let mut names: Vec<&str> = live.dependents.iter().map(|dependent| dependent.name.as_str()).collect();
    names.dedup();
    if names.is_empty() {
        return String::new();
    }
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    names.truncate(NAMED);
    format!("; read by {}{more}", names.join(", "))
}

/// The size and the use of an index that goes.
pub(super) fn index(live: &Relation, name: &str, actual: &Actual) -> String {
    let Some(measure) = actual.measures.indexes.get(&(live.name.clone(), name.to_owned())) else {
        return "; queries that used it become slower".to_owned();
    };
    let used = match measure.scans {
        0 => "never used".to_owned(),
        1 => "used once".to_owned(),
        scans => format!("used {} times; queries that did become slower", thousands(scans)),
    };
    format!(": {}, {used}", human_size(measure.bytes))
}

/// The attached replicas, by name where they are known.
pub(super) fn replicas(actual: &Actual) -> String {
    let names: Vec<&str> = actual.measures.replicas.iter().map(String::as_str).collect();
    match names.is_empty() {
        true => format!("{} attached replica(s)", actual.server.replicas),
        false => {
            format!("the attached {} ({})", if names.len() == 1 { "replica" } else { "replicas" }, names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use super::*;
    use crate::catalog::{Dependent, IndexMeasure, Measures, RelationKind, Server};

    fn live(readers: usize, tuples: f64) -> Relation {
        let reader = |n: usize| Dependent { kind: "view".into(), name: format!("public.v{n}"), relation: None };
        Relation {
            oid: 1,
            name: QName::new("public", "sales"),
            kind: RelationKind::Table,
            owner: String::new(),
            comment: None,
            options: BTreeMap::new(),
            tablespace: None,
            populated: true,
            definition: None,
            empty: false,
            tuples,
            extension: false,
            access_method: None,
            partitioned_by: None,
            partitions: Vec::new(),
            unlogged: false,
            extras: Vec::new(),
            columns: Vec::new(),
            indexes: BTreeMap::new(),
            grants: Vec::new(),
            dependents: (1..=readers).map(reader).collect(),
        }
    }

    fn measured() -> Actual {
        let name = QName::new("public", "sales");
        let index = |scans| IndexMeasure { bytes: 5 * 1024 * 1024, scans };
        let indexes = [("never", 0), ("once", 1), ("often", 1204)];
        Actual {
            measures: Measures {
                bytes: HashMap::from([(name.clone(), 240 * 1024 * 1024)]),
                indexes: indexes.map(|(of, scans)| ((name.clone(), of.to_owned()), index(scans))).into(),
                ..Measures::default()
            },
            server: Server { replicas: 2, ..Server::default() },
            ..Actual::default()
        }
    }

    #[test]
    fn rows_bytes_and_durations_are_told() {
        let (live, mut actual) = (live(0, 1_200_000.0), measured());
        assert_eq!(size(&live, &actual), "about 1,200,000 rows, 240 MB");
        assert_eq!(computed(&live.name, &live, &actual), ", 12s by its size");
        assert_eq!(indexed(&live, &actual), ", 5s by its size");
        actual.measures.durations.insert(live.name.clone(), 95_200.0);
        assert_eq!(computed(&live.name, &live, &actual), ", 1m 35s at its last refresh");
        actual.measures.durations.insert(live.name.clone(), 12.0);
        assert_eq!(computed(&live.name, &live, &actual), ", under 1s at its last refresh");
        let unmeasured = Actual::default();
        assert_eq!(size(&live, &unmeasured) + &computed(&live.name, &live, &unmeasured), "about 1,200,000 rows");
    }

    #[test]
    fn what_was_never_analysed_is_not_empty() {
        assert_eq!(size(&live(0, -1.0), &Actual::default()), "an unknown number of rows");
    }

    #[test]
    fn five_readers_are_named() {
        assert_eq!(readers(&live(0, 0.0)), "");
        assert_eq!(readers(&live(2, 0.0)), "; read by public.v1, public.v2");
        let many = "; read by public.v1, public.v2, public.v3, public.v4, public.v5 and 2 more";
        assert_eq!(readers(&live(7, 0.0)), many);
    }

    #[test]
    fn the_use_of_an_index_is_told() {
        let (live, actual) = (live(0, 0.0), measured());
        assert_eq!(index(&live, "never", &actual), ": 5 MB, never used");
        assert_eq!(index(&live, "once", &actual), ": 5 MB, used once");
        assert_eq!(index(&live, "often", &actual), ": 5 MB, used 1,204 times; queries that did become slower");
        assert_eq!(index(&live, "other", &actual), "; queries that used it become slower");
    }

    #[test]
    fn replicas_are_named_where_they_are_known() {
        let mut actual = measured();
        assert_eq!(replicas(&actual), "2 attached replica(s)");
        actual.measures.replicas = ["berlin", "lima"].map(str::to_owned).into();
        assert_eq!(replicas(&actual), "the attached replicas (berlin, lima)");
    }
}

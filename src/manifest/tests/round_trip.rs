//! Whatever a mart says, its manifest says it, new or revised.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::save::{after, blank, column, index, loaded, map, project, said, sorted};
use crate::manifest::save;
use crate::state::{ColumnDecl, GrantDecl, IndexDecl, IndexKey, Kind, Mart};

/// Texts that are hard to quote.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-zA-Z0-9 ]",
        1 => Just("'''".to_owned()),
        1 => Just("\"\"\"".to_owned()),
        4 => "['\"\\\\#=.,/\\[\\]{}()$é\u{7f}\t\r\n\u{1}\u{2028}-]",
        1 => Just("\r\n".to_owned()),
        1 => Just(" desc".to_owned()),
    ];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn name() -> impl Strategy<Value = String> {
    text().prop_map(|text| if text.is_empty() { "n".to_owned() } else { text.chars().take(15).collect() })
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn parameters() -> impl Strategy<Value = BTreeMap<String, String>> {
    let number = any::<i64>().prop_map(|number| number.to_string());
    let value = prop_oneof![text(), number, Just("on".into()), Just("true".into()), Just("007".into())];
    btree_map("[a-z]{1,3}(\\.[a-z]{1,3})?", value, 0..3)
}

fn key() -> impl Strategy<Value = IndexKey> {
    let expression = text().prop_map(|text| (format!("(lower({}))", quoted(&text)), true));
    let term = prop_oneof![3 => name().prop_map(|name| (name, false)), 1 => expression];
    let more = (any::<bool>(), option::of(any::<bool>()), option::of("[a-z]{1,4}( \\(x='1'\\))?"), option::of(name()));
    (term, more).prop_map(|((term, expression), (descending, nulls_first, opclass, collation))| IndexKey {
        term,
        expression,
        descending,
        nulls_first,
        opclass,
        collation,
    })
}

fn indexes() -> impl Strategy<Value = Vec<IndexDecl>> {
    let chosen = [Just("m_a_idx".to_owned()), Just("m_a_idx1".to_owned())];
    let names = prop_oneof![chosen[0].clone(), chosen[1].clone(), name().prop_map(|name| format!("i{name}"))];
    let keys = prop_oneof![
        Just(vec![column("a")]),
        vec(key(), 1..3).prop_filter("a key twice", |keys| keys.len() < 2 || keys[0] != keys[1])
    ];
    let rest = (any::<bool>(), any::<bool>(), vec(name(), 0..2), option::of(text()), parameters(), option::of(name()));
    let index =
        (names, keys, rest).prop_map(|(name, keys, (unique, not_distinct, include, text, with, tablespace))| {
            let predicate = text.map(|text| format!("a > {}", quoted(&text)));
            IndexDecl {
                unique,
                include,
                predicate,
                with,
                tablespace,
                nulls_not_distinct: not_distinct,
                ..index(&name, keys)
            }
        });
    vec(index, 0..4).prop_map(|mut indexes| {
        indexes.sort_by(|a, b| a.name.cmp(&b.name));
        indexes.dedup_by(|a, b| a.name == b.name);
        indexes
    })
}

fn grants() -> impl Strategy<Value = Option<Vec<GrantDecl>>> {
    let privileges = [vec!["SELECT".to_owned()], vec!["INSERT".to_owned(), "SELECT".to_owned()]];
    let grant = (name(), 0..2usize, vec(name(), 0..2), any::<bool>());
    let grant = grant.prop_map(move |(role, which, columns, grant_option)| GrantDecl {
        role,
        privileges: privileges[which].clone(),
        columns,
        grant_option,
    });
    option::of(vec(grant, 0..3))
}

fn query() -> impl Strategy<Value = String> {
    (text(), 0..25usize).prop_map(|(text, lines)| format!("SELECT {}{}::text AS a", quoted(&text), "\n".repeat(lines)))
}

fn mart() -> impl Strategy<Value = Mart> {
    let kind = prop_oneof![Just(Kind::View), Just(Kind::MaterializedView)];
    let column = option::of(text()).prop_map(|description| ColumnDecl { description, not_null: false });
    let texts = (option::of(text()), option::of(name()), option::of(name()));
    let schedule = prop_oneof![Just(vec![]), Just(vec!["1h"]), Just(vec!["0 4 * * *", "@daily"])];
    let zone = prop_oneof![Just("UTC"), Just("Europe/Berlin")];
    let refresh = (schedule, zone, prop_oneof![Just(None), Just(Some(false))]);
    let lists = (indexes(), grants(), btree_map(name(), column, 0..3));
    (kind, query(), texts, parameters(), refresh, lists).prop_map(|(kind, query, texts, with, refresh, lists)| {
        let desired = loaded(&[project()]);
        let (description, owner, tablespace) = texts;
        let (indexes, grants, columns) = lists;
        let (schedule, zone, concurrent) = refresh;
        let mut mart = Mart { query, description, grants, columns, ..blank(kind, "s", "m", &desired) };
        mart.owner = owner.or(mart.owner);
        if kind == Kind::View {
            mart.with = map(&[("security_barrier", if zone == "UTC" { "true" } else { "off" })]);
            return mart;
        }
        if !schedule.is_empty() {
            mart.refresh.strategy = crate::state::Strategy::Scheduled;
            mart.refresh.schedule = schedule.into_iter().map(str::to_owned).collect();
            mart.refresh.after = false;
        }
        mart.refresh.concurrent = concurrent;
        Mart { with, tablespace, timezone: zone.into(), indexes, ..mart }
    })
}

proptest! {
    #[test]
    fn a_new_manifest_says_the_mart(mart in mart()) {
        let files = save::create(&mart, "s/m.toml", &loaded(&[project()]));
        prop_assert_eq!(said(&[files, vec![project()]].concat()), sorted(mart));
    }

    #[test]
    fn a_revised_manifest_says_the_new_mart(old in mart(), new in mart()) {
        let files = [save::create(&old, "s/m.toml", &loaded(&[project()])), vec![project()]].concat();
        let desired = loaded(&files);
        let dir = tempfile::tempdir().unwrap();
        save::write(dir.path(), &files).unwrap();
        let mut before = desired.marts[0].clone();
        before.file = dir.path().join(&before.path);
        let inline = files.len() == 2;
        before.query_source.file = if inline { before.file.clone() } else { before.query_source.file };
        let changed = save::revise(&before, &new, &desired).unwrap();
        prop_assert!(old != new || changed.is_empty());
        prop_assert_eq!(said(&after(&files, changed)), sorted(new));
    }
}

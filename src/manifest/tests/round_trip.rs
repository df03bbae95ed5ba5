//! Whatever a mart says, its manifest says it, new or revised.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::save::{blank, column, index, instead, loaded, map, project, said, sorted};
use super::{Desired, Folder, view};
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
    // An empty description is none.
    let said = |text: Option<String>| text.filter(|text| !text.is_empty());
    let column = option::of(text()).prop_map(move |text| ColumnDecl { description: said(text), not_null: false });
    let texts = (option::of(text()), option::of(name()), option::of(name()));
    let schedule = prop_oneof![Just(vec![]), Just(vec!["1h"]), Just(vec!["0 4 * * *", "@daily"])];
    let zone = prop_oneof![Just("UTC"), Just("Europe/Berlin")];
    let refresh = (schedule, zone, prop_oneof![Just(None), Just(Some(false))]);
    let lists = (indexes(), grants(), btree_map(name(), column, 0..3));
    (kind, query(), texts, parameters(), refresh, lists).prop_map(move |(kind, query, texts, with, refresh, lists)| {
        let desired = loaded(&[project()]);
        let (description, owner, tablespace) = texts;
        let description = said(description);
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
    fn a_revised_manifest_says_the_new_mart(old in mart(), new in mart(), windows in any::<bool>()) {
        let files = [save::create(&old, "s/m.toml", &loaded(&[project()])), vec![project()]].concat();
        let ends = if windows { "\r\n" } else { "\n" };
        let texts: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.text.replace('\n', ends))).collect();
        let folder = Folder::new(&texts.iter().map(|(path, text)| (*path, text.as_str())).collect::<Vec<_>>());
        let before = folder.desired();
        prop_assert_eq!(sorted(before.marts[0].mart.clone()), sorted(old.clone()));
        let changed = save::revise(&before.marts[0], &new, &before).unwrap();
        prop_assert!(old != new || changed.is_empty());
        save::write(folder.dir.path(), &changed).unwrap();
        let after = folder.desired();
        prop_assert_eq!(sorted(after.marts[0].mart.clone()), sorted(new));
        for file in changed.iter().filter(|file| file.before.is_some()) {
            prop_assert_eq!(folder.read(&file.path), file.text.replace('\n', ends));
        }
    }
}

#[test]
fn line_ends_mean_nothing() {
    let files = [
        ("project.toml", "[project]\nowner = \"\"\"\nthe\nboss\"\"\"\n"),
        (
            "a.toml",
            "type = 'view'\nquery = '''\nSELECT 'x\ny' AS a,\n  b\nFROM t\n'''\ndescription = \"\"\"\none \\\n  line\ntwo\"\"\"\n",
        ),
        ("b.toml", "type = 'view'\nquery_file = 'b.sql'\n"),
        ("b.sql", "SELECT 'x\ny' AS a,\n  b\nFROM t;\n"),
        ("over.toml", "type = 'view'\nquery = 'SELECT 1'\n"),
    ];
    let windows = files.map(|(path, text)| (path, text.replace('\n', "\r\n")));
    let windows: Vec<(&str, &str)> = windows.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let load = |files: &[(&str, &str)], ends: &str| {
        let mut folder = Folder::new(files);
        let over = "type = 'view'\nquery = '''\nSELECT\n  1'''\n".replace('\n', ends);
        folder.options.overlay.insert("over.toml".into(), over);
        folder.desired()
    };
    let (unix, windows) = (load(&files, "\n"), load(&windows, "\r\n"));
    let marts = |desired: &Desired| desired.marts.iter().map(|mart| mart.mart.clone()).collect::<Vec<_>>();
    assert_eq!(marts(&unix), marts(&windows));
    let place = |desired: &Desired, at: usize| {
        let (_, place) = desired.marts[at].place_of(22).unwrap();
        (place.line, place.column, place.text[place.span].to_owned())
    };
    assert_eq!([place(&windows, 0), place(&windows, 1)], [(5, 3, "b".to_owned()), (2 + 1, 3, "b".to_owned())]);
    let broken = "type = 'view'\r\nquery = '''\r\nSELECT 1;\r\n SELECT 2'''\r\ntgas = 1\r\n";
    let told = Folder::new(&[("m.toml", broken)]).told();
    let at: Vec<&str> = told.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(at, ["m.toml:4:2", "m.toml:5:1"]);
}

#[test]
fn a_query_s_file_keeps_what_follows_the_query() {
    let folder = Folder::new(&[
        ("a/m.toml", "type = \"view\"\nquery_file = \"../sql/m.sql\"\n"),
        ("sql/m.sql", "SELECT 1 AS a;\r\n-- the end\r\n"),
    ]);
    let desired = folder.desired();
    let old = &desired.marts[0];
    let new = Mart { query: "SELECT 2 AS a".into(), ..old.mart.clone() };
    let changed = save::revise(old, &new, &desired).unwrap();
    let expected = instead("sql/m.sql", "SELECT 1 AS a;\n-- the end\n", "SELECT 2 AS a;\n-- the end\n");
    assert_eq!(changed, [expected]);
    save::write(folder.dir.path(), &changed).unwrap();
    let text = std::fs::read_to_string(folder.dir.path().join("sql/m.sql")).unwrap();
    assert_eq!(text, "SELECT 2 AS a;\r\n-- the end\r\n");
    // A file cannot say this line end.
    let new = Mart { query: "SELECT '\r\n' AS a".into(), ..old.mart.clone() };
    let changed = save::revise(old, &new, &desired).unwrap();
    insta::assert_snapshot!(changed[0].text, @r##"
    type = "view"
    query = """
    SELECT '\r
    ' AS a
    """
    "##);
    assert_eq!(changed.len(), 1);
}

#[test]
fn what_was_edited_meanwhile_is_not_written_over() {
    let folder = Folder::new(&[
        ("m.toml", "type = \"view\"\nquery_file = \"m.sql\"\n"),
        ("m.sql", "SELECT 1 AS a\n"),
        ("n.toml", &view("")),
    ]);
    let desired = folder.desired();
    let revised = |at: usize| {
        let old = &desired.marts[at];
        let new = Mart { query: "SELECT 2 AS a".into(), description: Some("new".into()), ..old.mart.clone() };
        save::revise(old, &new, &desired).unwrap()
    };
    let changed = [revised(0), revised(1)].concat();
    assert_eq!(changed.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["m.toml", "m.sql", "n.toml"]);
    let loaded = ["m.toml", "m.sql", "n.toml"].map(|path| folder.read(path));
    for (path, before) in ["m.toml", "m.sql", "n.toml"].into_iter().zip(&loaded) {
        let edited = format!("{before}# by hand\n");
        std::fs::write(folder.dir.path().join(path), &edited).unwrap();
        // Not read again: what the edit says is not known.
        assert_eq!([revised(0), revised(1)].concat(), changed);
        let error = save::write(folder.dir.path(), &changed).unwrap_err().to_string();
        assert!(error.ends_with(&format!("/{path} was changed meanwhile")), "{error}");
        assert_eq!(folder.read(path), edited);
        std::fs::write(folder.dir.path().join(path), before).unwrap();
        assert_eq!(["m.toml", "m.sql", "n.toml"].map(|path| folder.read(path)), loaded);
    }
    save::write(folder.dir.path(), &changed).unwrap();
    assert_eq!(folder.desired().marts[0].mart.query, "SELECT 2 AS a");
}

#[test]
fn a_query_moves_out_of_a_file_that_others_share() {
    let manifest = |file: &str| format!("type = \"view\"\n# theirs\nquery_file = \"{file}\" # shared\nowner = \"o\"\n");
    let folder = Folder::new(&[
        ("a/v.toml", &manifest("v.sql")),
        ("a/v-2.toml", &view("")),
        ("a/w.toml", &manifest("../link/v.sql")),
        ("b/x.toml", &manifest("../b/../a/v.sql")),
        ("b/x.sql", "SELECT 'by hand'"),
        ("b/alone.toml", &manifest("alone.sql")),
        ("b/alone.sql", "SELECT 1 AS a\n"),
        ("a/v.sql", "SELECT 1 AS a\n"),
    ]);
    std::os::unix::fs::symlink("a", folder.dir.path().join("link")).unwrap();
    let desired = folder.desired();
    let long = format!("SELECT\n{}    2 AS a", "\n".repeat(20));
    let queries = [("v", long.as_str()), ("w", "SELECT 3 AS a"), ("x", &long), ("alone", &long)];
    let mut changed = Vec::new();
    for (name, query) in queries {
        let old = desired.marts.iter().find(|old| old.mart.name.name == name).unwrap();
        changed.extend(save::revise(old, &Mart { query: query.into(), ..old.mart.clone() }, &desired).unwrap());
    }
    save::write(folder.dir.path(), &changed).unwrap();
    let after = folder.desired();
    for (name, query) in queries {
        let mart = after.marts.iter().find(|mart| mart.mart.name.name == name).unwrap();
        assert_eq!(mart.mart.query, query);
    }
    let paths: Vec<&str> = changed.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["a/v.toml", "a/v-3.sql", "a/w.toml", "b/x.toml", "b/x-2.sql", "b/alone.sql"]);
    assert_eq!(folder.read("a/v.toml"), manifest("v-3.sql"));
    assert_eq!(folder.read("a/w.toml"), manifest("").replace("query_file = \"\"", "query = \"SELECT 3 AS a\""));
    assert_eq!(folder.read("a/v.sql"), "SELECT 1 AS a\n");
}

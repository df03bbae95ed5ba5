//! Manifests that are written: what they say is what was meant, and nothing else is touched.

use std::collections::BTreeMap;

use super::*;
use crate::manifest::save::{self, FileText};
use crate::state::{ColumnDecl, GrantDecl, IndexDecl, IndexKey, Kind, Mart, QName, Strategy};

/// A folder that is not there, with these files laid over it.
fn laid(files: &[FileText]) -> Result<Desired, ManifestError> {
    let overlay = files.iter().map(|file| (file.path.clone(), file.text.clone())).collect();
    load(&LoadOptions { dir: "/nowhere".into(), overlay, ..LoadOptions::default() })
}

pub(super) fn loaded(files: &[FileText]) -> Desired {
    match laid(files) {
        Ok(desired) => desired,
        Err(ManifestError::Invalid { problems }) => panic!("{files:#?}\n{}", crate::manifest::render(&problems, false)),
        Err(error) => panic!("{error:?}"),
    }
}

pub(super) fn file(path: &str, text: &str) -> FileText {
    FileText::new(path, text)
}

/// A text for a place where another one stands.
pub(super) fn instead(path: &str, before: &str, text: &str) -> FileText {
    FileText { before: Some(before.into()), ..file(path, text) }
}

pub(super) fn project() -> FileText {
    file("project.toml", "[project]\nowner = 'boss'\ntimezone = 'Europe/Berlin'\n[defaults.refresh]\ntimeout = '1h'\n")
}

impl Folder {
    pub(super) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(path)).unwrap()
    }
}

pub(super) fn column(term: &str) -> IndexKey {
    IndexKey {
        term: term.into(),
        expression: term.starts_with("(lower"),
        descending: false,
        nulls_first: None,
        opclass: None,
        collation: None,
    }
}

pub(super) fn index(name: &str, keys: Vec<IndexKey>) -> IndexDecl {
    IndexDecl {
        name: name.into(),
        keys,
        unique: false,
        method: "btree".into(),
        include: Vec::new(),
        predicate: None,
        with: BTreeMap::new(),
        tablespace: None,
        nulls_not_distinct: false,
    }
}

pub(super) fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

/// A mart as `import` makes it, of a kind, with the defaults of a project.
pub(super) fn blank(kind: Kind, schema: &str, name: &str, desired: &Desired) -> Mart {
    let mut search_path = vec![schema.to_owned()];
    search_path.extend((schema != "public").then(|| "public".to_owned()));
    Mart {
        name: QName::new(schema, name),
        kind,
        query: "SELECT 1 AS a".into(),
        search_path,
        timezone: desired.project.timezone.clone(),
        description: None,
        tags: Vec::new(),
        owner: desired.project.owner.clone(),
        renamed_from: Vec::new(),
        depends_on: Vec::new(),
        prevent_destroy: false,
        primary_key: Vec::new(),
        publish: Default::default(),
        tablespace: None,
        with: BTreeMap::new(),
        session: BTreeMap::new(),
        columns: BTreeMap::new(),
        indexes: Vec::new(),
        grants: None,
        refresh: if kind == Kind::View { Default::default() } else { desired.defaults.policy(None) },
        freshness: None,
        retention: None,
        partition: None,
        checks: Vec::new(),
        versions: None,
        metadata: Default::default(),
    }
}

fn everything(desired: &Desired) -> Mart {
    let mut mart = blank(Kind::MaterializedView, "sales", "By Day", desired);
    mart.query = "SELECT day,\n    \"Total\"\nFROM orders\nWHERE note ~ '\\d'".into();
    mart.description = Some("sales\nby \"day\"".into());
    mart.owner = Some("bi".into());
    mart.tablespace = Some("fast".into());
    mart.with = map(&[("fillfactor", "90"), ("toast.autovacuum_enabled", "false"), ("x", "007")]);
    mart.columns.insert("Total".into(), ColumnDecl { description: Some("net".into()), not_null: false });
    mart.timezone = "UTC".into();
    mart.refresh.strategy = Strategy::Scheduled;
    mart.refresh.schedule = vec!["0 4 * * *".into()];
    mart.refresh.after = false;
    let mut unique = index("By Day_day_idx", vec![column("day")]);
    unique.unique = true;
    let sorted = IndexKey { descending: true, nulls_first: Some(false), ..column("total (net)") };
    let mut other = index("other", vec![sorted, column("(lower(\"Total\"))")]);
    other.predicate = Some("day > '2020-01-01'::date".into());
    other.with = map(&[("fillfactor", "70")]);
    mart.indexes = vec![unique, other];
    mart.grants = Some(vec![GrantDecl {
        role: "reader".into(),
        privileges: vec!["SELECT".into()],
        columns: vec!["day".into()],
        grant_option: true,
    }]);
    mart
}

/// The mart that these files say, its lists in order.
pub(super) fn said(files: &[FileText]) -> Mart {
    sorted(loaded(files).marts[0].mart.clone())
}

pub(super) fn sorted(mut mart: Mart) -> Mart {
    mart.indexes.sort_by(|a, b| a.name.cmp(&b.name));
    mart.grants.iter_mut().for_each(|grants| grants.sort());
    mart
}

/// What is in the folder after some of its files were changed.
pub(super) fn after(files: &[FileText], changed: Vec<FileText>) -> Vec<FileText> {
    let stay = files.iter().filter(|file| changed.iter().all(|new| new.path != file.path)).cloned();
    stay.chain(changed.iter().cloned()).collect()
}

#[test]
fn a_new_manifest_reads_well() {
    let desired = loaded(&[project()]);
    let mart = everything(&desired);
    let files = save::create(&mart, "sales/By_Day.toml", &desired);
    insta::assert_snapshot!(files[0].text, @r##"
    type = "materialized_view"
    name = "By Day"
    schema = "sales"
    description = """
    sales
    by "day\""""
    query = '''
    SELECT day,
        "Total"
    FROM orders
    WHERE note ~ '\d'
    '''
    owner = "bi"
    tablespace = "fast"
    with = { fillfactor = 90, "toast.autovacuum_enabled" = false, x = "007" }

    [columns]
    Total = { description = "net" }

    [refresh]
    strategy = "scheduled"
    schedule = "0 4 * * *"
    timezone = "UTC"

    [[indexes]]
    columns = ["day"]
    unique = true

    [[indexes]]
    name = "other"
    columns = [{ column = '"total (net)"', order = "desc", nulls = "last" }, '(lower("Total"))']
    where = "day > '2020-01-01'::date"
    with = { fillfactor = 70 }

    [[grants]]
    role = "reader"
    privileges = ["SELECT"]
    columns = ["day"]
    grant_option = true
    "##);
    assert_eq!(said(&[files, vec![project()]].concat()), sorted(mart));
}

#[test]
fn what_the_project_says_is_not_said_again() {
    let desired = loaded(&[project()]);
    let view = blank(Kind::View, "public", "m", &desired);
    let files = save::create(&view, "m.toml", &desired);
    assert_eq!(files, [file("m.toml", "type = \"view\"\nquery = \"SELECT 1 AS a\"\n")]);
    let text = save::project(Some("boss"), Some("Europe/Berlin"));
    assert_eq!(text, "[project]\nowner = \"boss\"\ntimezone = \"Europe/Berlin\"\n");
}

#[test]
fn a_long_query_has_a_file_beside() {
    let desired = loaded(&[project()]);
    let mut mart = blank(Kind::View, "public", "m", &desired);
    mart.query = format!("SELECT\n{}    0 AS z", "    1,\n".repeat(20));
    let files = save::create(&mart, "public/m.toml", &desired);
    assert_eq!(files[0].text, "type = \"view\"\nquery_file = \"m.sql\"\n");
    assert_eq!(files[1], file("public/m.sql", &format!("{};\n", mart.query)));
    let folder = [files, vec![project()]].concat();
    let desired = loaded(&folder);
    assert_eq!(desired.marts[0].mart, mart);
    assert_eq!(desired.marts[0].query_source.text.as_ref(), folder[1].text);
}

#[test]
fn an_overlay_stands_before_the_folder() {
    let folder = Folder::new(&[("a.toml", &view("")), ("b.toml", "type = \"view\"\nquery_file = \"b.sql\"\n")]);
    let overlay =
        [("a.toml", table("")), ("b.sql", "SELECT 2 AS b".into()), ("c/d.toml", view("")), (".c/e.toml", "?".into())];
    let mut options = folder.options.clone();
    options.overlay = overlay.into_iter().map(|(path, text)| (path.to_owned(), text)).collect();
    let marts = load(&options).unwrap().marts;
    let seen: Vec<_> = marts.iter().map(|m| (m.path.as_str(), m.mart.kind.as_str(), m.mart.query.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("a.toml", "table", "SELECT 1 AS a"),
            ("b.toml", "view", "SELECT 2 AS b"),
            ("c/d.toml", "view", "SELECT 1 AS a")
        ]
    );
    let nowhere = load(&LoadOptions { dir: "/nowhere".into(), ..LoadOptions::default() });
    assert!(matches!(nowhere, Err(ManifestError::Read { .. })));
}

#[test]
fn all_files_are_written_or_none() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("old"), "as it was").unwrap();
    std::fs::create_dir(dir.path().join("folder")).unwrap();
    let files = |path: &str| [instead("old", "as it was", "new"), file(path, "new"), file("made/deep/new", "new")];
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let refused = |path: &str| {
        let error = save::write(dir.path(), &files(path)).unwrap_err();
        assert_eq!(names(), ["folder", "old"]);
        assert_eq!(std::fs::read_to_string(dir.path().join("old")).unwrap(), "as it was");
        error
    };
    let error = refused("old/below");
    assert!(matches!(&error, ManifestError::Write { path, .. } if path.ends_with("old/below")), "{error:?}");
    // The third makes a folder where the second is to stand; the first stands by then.
    let error = refused("made/deep");
    assert!(matches!(&error, ManifestError::Exists { path, .. } if path.ends_with("made/deep")), "{error:?}");
    save::write(dir.path(), &files("made/other")).unwrap();
    assert_eq!(names(), ["folder", "made", "old"]);
    for path in ["old", "made/deep/new", "made/other"] {
        assert_eq!(std::fs::read_to_string(dir.path().join(path)).unwrap(), "new");
    }
    assert_eq!(std::fs::read_dir(dir.path().join("made")).unwrap().count(), 2);
}

#[test]
fn nothing_that_people_wrote_is_written_over() {
    let folder = Folder::new(&[("a/m.sql", "theirs"), ("a/n.sql", "SELECT 1\r\n")]);
    let dir = folder.dir.path();
    std::os::unix::fs::symlink("a", dir.join("link")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.join("dangling.sql")).unwrap();
    let told = |changed: FileText| {
        let files = [file("first.toml", "new"), changed];
        let error = save::write(dir, &files).unwrap_err().to_string();
        assert_eq!(std::fs::read_to_string(dir.join("a/m.sql")).unwrap(), "theirs");
        assert_eq!(std::fs::read_dir(dir.join("a")).unwrap().count(), 2);
        assert_eq!(std::fs::read_dir(dir).unwrap().count(), 3);
        error.replace(&format!("{}/", dir.display()), "")
    };
    for path in ["a/m.sql", "link/m.sql", "a", "dangling.sql"] {
        assert_eq!(told(file(path, "new")), format!("{path} is there already"));
    }
    for path in ["a/m.sql", "link/m.sql", "a/none.sql", "dangling.sql"] {
        assert_eq!(told(instead(path, "as it was", "new")), format!("{path} was changed meanwhile"));
    }
    assert_eq!(told(file("first.toml", "newer")), "first.toml would be written twice");
    let twice = [instead("a/m.sql", "theirs", "new"), instead("link/m.sql", "theirs", "newer")];
    assert!(matches!(save::write(dir, &twice), Err(ManifestError::Twice { path }) if path.ends_with("link/m.sql")));
    let twice = [file("a/new.sql", "new"), file("link/new.sql", "newer")];
    assert!(matches!(save::write(dir, &twice), Err(ManifestError::Twice { path }) if path.ends_with("link/new.sql")));
    save::write(dir, &[instead("link/m.sql", "theirs", "new"), instead("a/n.sql", "SELECT 1\n", "SELECT 2\n")])
        .unwrap();
    assert_eq!(std::fs::read_to_string(dir.join("a/m.sql")).unwrap(), "new");
    assert_eq!(std::fs::read_to_string(dir.join("a/n.sql")).unwrap(), "SELECT 2\r\n");
}

#[test]
fn a_file_keeps_its_line_ends() {
    for (was, is) in [
        ("a\r\nb\r\n", "c\r\nd\r\n"),
        ("a\r\nb\n", "c\nd\n"),
        ("a\nb\n", "c\nd\n"),
        ("a\rb", "c\nd\n"),
        ("\u{feff}a\r\n", "\u{feff}c\r\nd\r\n"),
    ] {
        let folder = Folder::new(&[("m.sql", was)]);
        // As it was read.
        let before = was.replace("\r\n", "\n").replace('\u{feff}', "");
        let changed = instead("m.sql", &before, "c\nd\n");
        save::write(folder.dir.path(), &[changed]).unwrap();
        assert_eq!(std::fs::read_to_string(folder.dir.path().join("m.sql")).unwrap(), is, "{was:?}");
    }
}

#[test]
fn queries_are_found_where_manifests_are() {
    let folder = Folder::new(&[
        ("marts/a.sql", ""),
        ("marts/sub/b.sql", ""),
        ("marts/c.toml", ""),
        ("marts/.git/d.sql", ""),
        ("marts/.e.sql", ""),
        ("elsewhere/f.sql", ""),
    ]);
    let marts = folder.dir.path().join("marts");
    for (target, link) in [("../elsewhere", "link"), ("../..", "sub/loop"), ("../elsewhere/f.sql", "g.sql")] {
        std::os::unix::fs::symlink(target, marts.join(link)).unwrap();
    }
    let mut found = save::queries(&marts).unwrap();
    found.sort();
    let linked = |path: &str| found.iter().any(|found| found == path);
    // Where two links lead to one folder it is found by either.
    assert!(linked("link/f.sql") || linked("sub/loop/elsewhere/f.sql"), "{found:?}");
    found.retain(|path| !path.ends_with("f.sql"));
    assert_eq!(found, ["a.sql", "g.sql", "sub/b.sql"]);
    assert_eq!(save::queries(&marts.join("none")).unwrap(), Vec::<String>::new());
}

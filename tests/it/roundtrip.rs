//! Round trips: what a database has becomes manifests, is adopted untouched, and can be made again from them.
//!
//! Every file of `tests/roundtrip` is a database. Lines at its top say more: `-- postgresql 15` the least major version,
//! `-- extension NAME` what must be installed, `-- tablespace NAME` that `{db}_NAME` is made, `-- left NAME` a view that
//! cannot be imported, `-- note NAME: text` what a user is told, `-- stays` that owners could not make it again. `{db}` is
//! the database's name: roles belong to the whole server. `DATAMART_ROUNDTRIP=name` runs one file.

mod random;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;
use similar::TextDiff;
use sqlx::postgres::{PgDatabaseError, PgErrorPosition};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::cli::rig::{self, Out};
use crate::support::database::{Database, major, run};
use crate::support::folder::Folder;

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/roundtrip");

#[test]
fn what_is_there_comes_back_as_it_was() {
    let only = std::env::var("DATAMART_ROUNDTRIP").ok().filter(|only| !only.is_empty());
    let mut files: Vec<PathBuf> = std::fs::read_dir(FILES)
        .expect("tests/roundtrip")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .filter(|path| only.as_ref().is_none_or(|only| path.file_stem().is_some_and(|stem| stem == only.as_str())))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no such file");
    let odd = files.iter().skip(1).step_by(2).collect::<Vec<_>>();
    let halves = [files.iter().step_by(2).collect(), odd];
    let outcomes: Vec<Result<usize, String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = halves
            .iter()
            .map(|half| scope.spawn(move || half.iter().map(|file| outcome(file)).collect::<Vec<_>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a thread")).collect()
    });
    let failures: Vec<&str> =
        outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).map(String::as_str).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    let marts: usize = outcomes.iter().flatten().sum();
    assert!(only.is_some() || marts >= 60, "only {marts} relations came back");
}

fn outcome(file: &Path) -> Result<usize, String> {
    std::panic::catch_unwind(|| round(file)).map_err(|panic| format!("{}: {}", file.display(), words(panic.as_ref())))
}

/// What a panic says.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default()
}

/// What a file says at its top.
#[derive(Default)]
struct Head {
    postgresql: u32,
    extensions: Vec<String>,
    tablespaces: Vec<String>,
    left: BTreeSet<String>,
    notes: BTreeSet<String>,
    stays: bool,
}

impl Head {
    fn of(sql: &str) -> Self {
        let mut head = Self::default();
        for line in sql.lines().map_while(|line| line.strip_prefix("-- ")) {
            match line.split_once(' ') {
                Some(("postgresql", least)) => head.postgresql = least.parse().expect("a major version"),
                Some(("extension", name)) => head.extensions.push(name.to_owned()),
                Some(("tablespace", name)) => head.tablespaces.push(name.to_owned()),
                Some(("left", name)) => drop(head.left.insert(name.to_owned())),
                Some(("note", text)) => drop(head.notes.insert(text.to_owned())),
                _ => head.stays |= line == "stays",
            }
        }
        head
    }

    /// Whether the run's server can have such a database.
    fn fits(&self, database: &Database) -> bool {
        let has = |name: &String| {
            let sql = format!("SELECT count(*) FROM pg_available_extensions WHERE name = '{name}'");
            run(database.value(&sql)) == "1"
        };
        self.extensions.iter().all(has)
    }
}

/// A database, and the manifests that come of it.
struct Trip {
    database: Database,
    folder: Folder,
    head: Head,
}

/// One file. Gives how many relations came back.
fn round(file: &Path) -> usize {
    let sql = std::fs::read_to_string(file).expect("a file");
    if major() < Head::of(&sql).postgresql {
        return 0;
    }
    let database = run(Database::new());
    let sql = sql.replace("{db}", &database.name);
    let trip = Trip { database, folder: rig::folder(&[]), head: Head::of(&sql) };
    if !trip.head.fits(&trip.database) {
        return 0;
    }
    for name in &trip.head.tablespaces {
        let make = format!("CREATE TABLESPACE {}_{name} LOCATION ''", trip.database.name);
        run(async {
            let mut conn = trip.database.session().await;
            execute(&mut conn, "SET allow_in_place_tablespaces = true").await;
            execute(&mut conn, &make).await;
        });
    }
    run(async {
        let mut conn = trip.database.session().await;
        execute(&mut conn, &format!("SET search_path = public;{sql}")).await;
    });
    trip.adopt();
    let files = trip.files("datamarts");
    trip.adopt_again(&files);
    if !trip.head.stays {
        trip.make_again(&files);
    }
    files.keys().filter(|path| path.ends_with(".toml") && *path != "project.toml").count()
}

impl Trip {
    /// Everything is imported and recorded, nothing is touched, and nothing is left to do.
    fn adopt(&self) {
        let (rows, is) = (self.text(include_str!("roundtrip/rows.sql")), self.fingerprint());
        let told = self.command(&["import", "--adopt", "--format", "json"]).done().json();
        self.is_as_announced(&told);
        let paths = told["created"].as_array().expect("paths").iter().filter_map(|path| path.as_str());
        let created = paths.filter(|path| path.ends_with(".toml") && *path != "project.toml").count();
        assert_eq!(
            (told["adopted"].as_u64(), told["updated"].as_array().map(Vec::len)),
            (Some(created as u64), Some(0))
        );
        same("the catalog's rows after adopting", &rows, &self.text(include_str!("roundtrip/rows.sql")));
        same("the relations after adopting", &is, &self.fingerprint());
        self.command(&["validate"]).done();
        self.nothing_to_do("after adopting");
    }

    fn is_as_announced(&self, told: &Value) {
        let of = |key: &str| told[key].as_array().expect("a list").clone();
        // Tables are always named: they store no query.
        let is_view = |left: &Value| left["type"].as_str().is_some_and(|kind| kind.ends_with("view"));
        let left = of("not_imported").into_iter().filter(is_view);
        let names: BTreeSet<String> =
            left.clone().map(|left| left["full_name"].as_str().expect("a name").to_owned()).collect();
        assert_eq!(names, self.head.left, "not imported: {:#?}", left.collect::<Vec<_>>());
        let note = |note: &Value| {
            format!("{}: {}", note["full_name"].as_str().expect("a name"), note["message"].as_str().expect("a text"))
        };
        assert_eq!(of("notes").iter().map(note).collect::<BTreeSet<_>>(), self.head.notes, "notes");
    }

    /// Importing what is imported changes nothing.
    fn adopt_again(&self, files: &BTreeMap<String, (String, SystemTime)>) {
        let told = self.command(&["import", "--adopt", "--format", "json"]).done().json();
        assert_eq!((&told["created"], &told["updated"], &told["adopted"]), (&json("[]"), &json("[]"), &json("0")));
        self.is_as_announced(&told);
        assert_eq!(*files, self.files("datamarts"), "importing again changed files");
    }

    /// What is dropped is made again from the manifests, as it was.
    fn make_again(&self, files: &BTreeMap<String, (String, SystemTime)>) {
        let is = self.fingerprint();
        self.drop_all();
        self.command(&["apply", "--auto-approve", "--format", "json"]).done();
        same("the relations made again", &is, &self.fingerprint());
        self.nothing_to_do("after making all again");
        self.command(&["--dir", "again", "import", "-q"]).done();
        let texts = |files: &BTreeMap<String, (String, SystemTime)>| {
            files.iter().map(|(path, (text, _))| format!("### {path}\n{text}\n")).collect::<String>()
        };
        same("the manifests of what was made again", &texts(files), &texts(&self.files("again")));
    }

    fn nothing_to_do(&self, when: &str) {
        let plan = self.command(&["plan", "--format", "json"]).done().json();
        for key in ["changes", "drift", "orphans", "steps"] {
            assert_eq!(plan[key], json("[]"), "{when}: {}", self.command(&["plan"]).stdout);
        }
        let drift = self.command(&["drift"]);
        assert_eq!(drift.code, Some(0), "{when}: {}", drift.stdout);
    }

    /// Drops what has a manifest.
    fn drop_all(&self) {
        let left = self.head.left.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        let sql = format!(
            "DO $do$ DECLARE mart record; BEGIN
               FOR mart IN SELECT format('%I.%I', nspname, relname) AS name, CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'MATERIALIZED VIEW' END AS kind
                 FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
                 WHERE relkind IN ('v', 'm') AND nspname NOT IN ('datamart', 'information_schema') AND nspname !~ '^pg_'
                   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
                   AND format('%I.%I', nspname, relname) <> ALL (ARRAY[{left}]::text[])
               LOOP EXECUTE format('DROP %s IF EXISTS %s CASCADE', mart.kind, mart.name); END LOOP;
             END $do$"
        );
        run(self.database.script(&sql));
    }

    /// All that manifests say of what is there.
    fn fingerprint(&self) -> String {
        run(async {
            let mut conn = self.database.session().await;
            execute(&mut conn, include_str!("roundtrip/settled.sql")).await;
            let sql = AssertSqlSafe(include_str!("roundtrip/fingerprint.sql"));
            sqlx::query_scalar::<_, Option<String>>(sql).fetch_one(&mut conn).await.expect("a text").unwrap_or_default()
        })
    }

    fn text(&self, sql: &str) -> String {
        run(self.database.value(sql))
    }

    fn command(&self, args: &[&str]) -> Out {
        let mut command = rig::bare(self.folder.path(), args);
        command.env("DATABASE_URL", self.database.endpoint.url());
        rig::finish(command, self.folder.path())
    }

    /// The files below a folder: what stands in them, when they were written.
    fn files(&self, below: &str) -> BTreeMap<String, (String, SystemTime)> {
        let root = self.folder.path().join(below);
        let mut files = BTreeMap::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let written = path.metadata().and_then(|meta| meta.modified()).expect("a time");
                let text = std::fs::read_to_string(&path).expect("a text");
                let name = path.strip_prefix(&root).expect("a path below").display().to_string();
                files.insert(name, (text, written));
            }
        }
        files
    }
}

async fn execute(conn: &mut PgConnection, sql: &str) {
    let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(conn).await else { return };
    let place =
        match error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>()?.position()) {
            Some(PgErrorPosition::Original(at)) => sql.chars().skip(at.saturating_sub(40)).take(120).collect(),
            _ => String::new(),
        };
    panic!("{error}, at: {place}");
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[track_caller]
fn same(what: &str, expected: &str, found: &str) {
    let diff = TextDiff::from_lines(expected, found);
    assert!(expected == found, "{what}:\n{}", diff.unified_diff().context_radius(2));
}

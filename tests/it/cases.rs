//! Convergence: every folder of `tests/cases` is a mart's life in stages.
//!
//! A stage is a folder `1`, `2`, … of manifests; `1.sql` runs before it, `1.options` holds words (`prune`, `heal`,
//! `allow=HAZARD`, `select=NAME`, `drift` where drift stays, `interrupted` where its last transaction fails), `1.plan` is the plan expected, each statement of
//! `1.check.sql` is true after it. `{db}` is the database's name everywhere, `{facts}` are functions that tell whether a relation kept
//! everything (`support/facts.sql`). `postgresql` holds the least major version, or `..` and the
//! greatest: from 16 on queries within functions are printed in other words.
//!
//! For every stage: the plan is as written, a failing step changes nothing (one of a publication leaves what was built,
//! and the next plan publishes that), apply succeeds, what was built holds what its query gives, nothing is left lying about, and planning again is empty and compiles nothing. A stage that cannot
//! be applied is followed by none of these. Nothing is made to fail on the majors that `DATAMART_TEST_PG` names. `DATAMART_UPDATE=1` writes the plans, `DATAMART_CASE=name` runs one case.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use datamart::catalog::Column;
use datamart::compile::needed;
use datamart::manifest::Desired;
use datamart::plan::{Action, Change, HazardKind, Heal, Options, Plan, PlanError, Step};
use datamart::state::QName;
use globset::Glob;
use regex::Regex;
use sqlx::PgConnection;
use tempfile::TempDir;

use crate::support::database::{Database, major, run};
use crate::support::postgresql::binaries;
use crate::support::project;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases");

/// What no apply may leave: scratch schemas, relations and constraints under their passing names, half-built indexes.
const LEFTOVERS: &str = r"SELECT string_agg(what, ', ') FROM (
    SELECT nspname::text AS what FROM pg_namespace WHERE nspname ~ '^dm[vt]_'
    UNION ALL SELECT oid::regclass::text FROM pg_class WHERE relname ~ '__(next|ccnew|ccold)' AND obj_description(oid) IS DISTINCT FROM 'theirs'
    UNION ALL SELECT conname FROM pg_constraint WHERE conname ~ '__not_null'
    UNION ALL SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid) AS t (what)";

#[test]
fn every_case_converges() {
    let only = std::env::var("DATAMART_CASE").ok();
    let mut folders: Vec<PathBuf> = std::fs::read_dir(CASES)
        .expect("tests/cases")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .filter(|path| only.as_ref().is_none_or(|only| path.ends_with(only)))
        .collect();
    folders.sort();
    assert!(only.is_some() || folders.len() >= 30, "only {} cases", folders.len());
    let failures: Vec<String> = std::thread::scope(|scope| {
        let halves = folders.chunks(folders.len().div_ceil(2));
        let threads: Vec<_> = halves
            .map(|half| scope.spawn(move || half.iter().filter_map(|case| failure(case)).collect::<Vec<_>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a thread")).collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn failure(case: &Path) -> Option<String> {
    let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let outcome = std::panic::catch_unwind(|| run(one(case)));
    outcome.err().map(|panic| {
        let words = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
            .unwrap_or_default();
        format!("case {name}: {words}")
    })
}

async fn one(case: &Path) {
    let majors = std::fs::read_to_string(case.join("postgresql")).unwrap_or_default();
    let (least, most) = majors.trim().split_once("..").unwrap_or((majors.trim(), ""));
    let bound = |word: &str, else_: u32| if word.is_empty() { else_ } else { word.parse().expect("a major version") };
    if !(bound(least, 0)..=bound(most, u32::MAX)).contains(&major()) {
        return;
    }
    let database = Database::new().await;
    for stage in 1.. {
        let dir = case.join(stage.to_string());
        if !dir.is_dir() {
            assert!(stage > 1, "no stage 1");
            return;
        }
        let sql = std::fs::read_to_string(case.join(format!("{stage}.sql"))).ok();
        if let Some(sql) = &sql {
            let facts = include_str!("support/facts.sql");
            database.script(&sql.replace("{facts}", facts).replace("{db}", &database.name)).await;
        }
        let words = std::fs::read_to_string(case.join(format!("{stage}.options"))).unwrap_or_default();
        let copy = with_names(&dir, &database.name);
        let stage = Stage {
            desired: project::load(copy.path()),
            words: words.split_whitespace().map(str::to_owned).collect(),
            plan: case.join(format!("{stage}.plan")),
            checks: case.join(format!("{stage}.check.sql")),
            sources_change: sql.is_some(),
            copy,
        };
        stage.converges(&database).await;
    }
}

/// The manifests with `{db}` replaced: roles and tablespaces belong to the whole server.
fn with_names(dir: &Path, name: &str) -> TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let below = copy.path().join(folder.strip_prefix(dir).expect("a folder below"));
        std::fs::create_dir_all(&below).expect("a folder");
        for entry in std::fs::read_dir(&folder).expect("the stage") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a manifest").replace("{db}", name);
            std::fs::write(below.join(path.file_name().expect("a name")), text).expect("a manifest is written");
        }
    }
    copy
}

struct Stage {
    desired: Desired,
    words: Vec<String>,
    plan: PathBuf,
    checks: PathBuf,
    /// Something happens to the database before the stage: what is not built anew may hold old rows.
    sources_change: bool,
    copy: TempDir,
}

impl Stage {
    fn options(&self) -> Options {
        let policy = &self.desired.project.policy;
        let hazard = |word: &str| word.parse::<HazardKind>().expect("a hazard");
        let glob = |pattern: &String| Glob::new(pattern).expect("a pattern").compile_matcher();
        let mut options = Options {
            database: "test".into(),
            allow: policy.allow_hazards.iter().map(|word| hazard(word)).collect(),
            ignore: policy.ignore_drift.iter().map(glob).collect(),
            ..Options::default()
        };
        for word in &self.words {
            match word.split_once('=').unwrap_or((word, "")) {
                ("prune", _) => options.prune = true,
                ("heal", _) => options.heal = Heal::All,
                ("heal-but-indexes", _) => options.heal = Heal::ButAdded,
                ("drift" | "interrupted", _) => {}
                ("allow", word) => drop(options.allow.insert(hazard(word))),
                ("select", name) => {
                    let marts = self.desired.marts.iter().map(|d| d.mart.name.clone());
                    options.select.get_or_insert_default().extend(marts.filter(|mart| mart.name == name));
                }
                _ => panic!("unknown option {word}"),
            }
        }
        options
    }

    async fn converges(&self, database: &Database) {
        let (desired, options) = (&self.desired, &self.options());
        let mut conn = database.session().await;
        let plan = match project::plan(&mut conn, desired, options).await {
            Ok(plan) => plan,
            Err(PlanError::Problems { problems, .. }) => {
                let mut text = String::new();
                for problem in problems {
                    let _ = writeln!(
                        text,
                        "error: {}: {}: {} ({})",
                        problem.mart, problem.key, problem.message, problem.help
                    );
                }
                self.compare(&text, database);
                return;
            }
        };
        self.compare(&written(&plan), database);
        if !plan.refused.is_empty() {
            assert!(project::apply(&mut conn, &plan, desired).await.is_err(), "a refused plan was applied");
            return;
        }
        if self.words.iter().any(|word| word == "interrupted") {
            let last = plan.steps.iter().filter_map(|step| step.transaction).max().expect("a transaction");
            self.broken(&mut conn, &plan, last).await;
            return;
        }
        // Transactions end alike on every major: there the plan is applied at once.
        let plan = if binaries().is_some() { plan } else { self.fails_without_a_trace(&mut conn, plan).await };
        project::apply(&mut conn, &plan, desired).await.unwrap_or_else(|e| panic!("{e:?}"));
        let calm = Options { heal: Heal::Nothing, ..options.clone() };
        let again = project::plan(&mut conn, desired, &calm).await.unwrap_or_else(|e| panic!("{e}"));
        assert!(again.changes.is_empty(), "planning again is not empty:\n{}", written(&again));
        assert!(again.records.is_empty(), "the registry is not up to date: {:#?}", again.records);
        let drift_stays = self.words.iter().any(|word| word == "drift");
        assert_eq!(again.drift.is_empty(), !drift_stays, "drift after the apply: {:#?}", again.drift);
        self.holds(database, &mut conn, &plan).await;
    }

    /// What is true after every apply.
    async fn holds(&self, database: &Database, conn: &mut PgConnection, plan: &Plan) {
        let actual = project::actual(conn, &self.desired).await;
        if self.options().select.is_none() {
            let parts = datamart::plan::parts(&self.desired, &actual);
            let needed = needed(&parts.desired.marts, &parts.actual);
            // Columns that somebody changed are compared with what the manifest says.
            let drifted = |name: &QName| {
                let (live, row) = (parts.actual.relations.get(name), parts.actual.recorded.get(name));
                let columns = |columns: &[Column]| {
                    columns.iter().map(|c| (c.name.clone(), c.type_name.clone())).collect::<Vec<_>>()
                };
                live.zip(row).is_some_and(|(live, row)| columns(&live.columns) != columns(&row.applied.columns))
            };
            let drift = self.desired.marts.iter().any(|desired| drifted(&desired.mart.name));
            assert!(needed.is_empty() || drift, "compiled for nothing: {needed:?}");
        }
        let leftovers = database.value(LEFTOVERS).await;
        assert_eq!(leftovers, "NULL", "left behind");
        let built = |change: &Change| matches!(change.action, Action::Create | Action::Replace);
        let built: BTreeSet<&String> = plan.changes.iter().filter(|c| built(c)).map(|c| &c.address).collect();
        let all = !self.sources_change && plan.drift.is_empty() && self.options().select.is_none();
        for mart in self.desired.marts.iter().map(|desired| &desired.mart) {
            // An older version that is pinned holds what its own query gives.
            let pinned = mart.versions.is_some_and(|versions| versions.pin.is_some());
            if !pinned && (all || built.contains(&mart.name.to_string())) {
                project::is_its_query(conn, mart).await;
            }
        }
        let checks = std::fs::read_to_string(&self.checks).unwrap_or_default();
        for check in checks.split_terminator(";\n") {
            let check = check.replace("{db}", &database.name);
            assert_eq!(database.value(&check).await, "true", "{check}");
        }
    }

    /// A plan whose first transaction fails at its end changes nothing, and can be made again. One that is published in a
    /// transaction of its own leaves, where that fails, what is published as it was, and what was built for the next plan,
    /// which is what the plan was, less the building. Gives the plan to apply.
    async fn fails_without_a_trace(&self, conn: &mut PgConnection, plan: Plan) -> Plan {
        let numbers: BTreeSet<u32> = plan.steps.iter().filter_map(|step| step.transaction).collect();
        let Some(first) = plan.steps.first().and_then(|step| step.transaction) else { return plan };
        if plan.records.iter().any(|record| record.transaction < first) {
            // What only the registry says is committed before.
            return plan;
        }
        let again = self.broken(conn, &plan, first).await;
        assert_eq!(written(&again), written(&plan), "a failed apply left a trace");
        let aside = plan.steps.iter().any(is_mark);
        let alone = |step: &Step| step.transaction.is_none() && !step.sql.starts_with("VACUUM");
        let (Some(last), 2) = (numbers.last(), numbers.len()) else { return again };
        if !aside || !plan.leftovers.is_empty() || plan.steps.iter().any(alone) {
            return again;
        }
        let published = async |conn: &mut PgConnection| {
            let actual = project::actual(conn, &self.desired).await.without_left();
            let relations = actual.relations.iter().map(|(name, relation)| (name.clone(), relation.fingerprint()));
            let rows = actual.recorded.iter().map(|(name, row)| (name.clone(), row.fingerprint.clone()));
            relations.chain(rows).collect::<BTreeSet<_>>()
        };
        let before = published(conn).await;
        let next = self.broken(conn, &again, *last).await;
        assert_eq!(published(conn).await, before, "a publication that failed changed something");
        let rest = |plan: &Plan| {
            let steps = plan.steps.iter().filter(|step| step.transaction != Some(first) || numbers.len() == 1);
            steps.map(|step| step.sql.clone()).collect::<Vec<_>>()
        };
        let publishes: Vec<String> = next.steps.iter().map(|step| step.sql.clone()).collect();
        assert_eq!(publishes, rest(&again), "what was built is not adopted");
        let adopted = next.changes.iter().filter(|change| change.reason.contains("built aside already")).count();
        let marks = again.steps.iter().filter(|step| is_mark(step)).count();
        // A versioned mart is one change, and may be built of two relations.
        assert!((1..=marks).contains(&adopted), "{}", written(&next));
        next
    }

    /// The plan after one that failed at the end of a transaction.
    async fn broken(&self, conn: &mut PgConnection, plan: &Plan, transaction: u32) -> Plan {
        let mut broken = plan.clone();
        let at = broken.steps.iter().rposition(|step| step.transaction == Some(transaction)).expect("a step");
        let fails = Step {
            sql: "SELECT 1/0".into(),
            publication: false,
            aside: false,
            check: None,
            role: None,
            settings: Vec::new(),
            ..broken.steps[at].clone()
        };
        broken.steps.insert(at + 1, fails);
        assert!(project::apply(conn, &broken, &self.desired).await.is_err(), "division by zero went well");
        project::plan(conn, &self.desired, &self.options()).await.unwrap_or_else(|e| panic!("{e}"))
    }

    fn compare(&self, text: &str, database: &Database) {
        let folder = self.copy.path().display().to_string();
        let text = text.replace(&database.name, "{db}").replace(&folder, "datamarts");
        if std::env::var_os("DATAMART_UPDATE").is_some() {
            std::fs::write(&self.plan, &text).expect("the plan is written");
            return;
        }
        let expected = std::fs::read_to_string(&self.plan).unwrap_or_default();
        let diff = similar::TextDiff::from_lines(&expected, &text);
        assert!(expected == text, "{} differs:\n{}", self.plan.display(), diff.unified_diff().context_radius(2));
    }
}

/// Whether a step marks what was built aside.
fn is_mark(step: &Step) -> bool {
    step.aside && step.transaction.is_some()
}

/// What a plan does, in the form the cases keep.
fn written(plan: &Plan) -> String {
    let mut text = String::new();
    for change in &plan.changes {
        let kind = change.kind.as_str();
        let _ = writeln!(text, "{} {} ({kind}): {}", change.action.symbol(), change.address, change.reason);
        for hazard in &change.hazards {
            let _ = writeln!(text, "    {}: {}", hazard.kind, hazard.message);
        }
    }
    for refusal in &plan.refused {
        let _ = writeln!(text, "refused {} {}: {}", refusal.address, refusal.hazard, refusal.message);
    }
    for drift in &plan.drift {
        let _ = writeln!(text, "drift {} {}: {}", drift.address, drift.aspect, drift.message);
    }
    for orphan in &plan.orphans {
        let _ = writeln!(text, "orphan {} ({})", orphan.address, orphan.file);
    }
    for left in &plan.leftovers {
        let _ = writeln!(text, "left {left}");
    }
    for step in &plan.steps {
        let place = step.transaction.map_or_else(|| "alone".to_owned(), |n| n.to_string());
        let role = step.role.as_ref().map(|r| format!(" as {r}")).unwrap_or_default();
        let sql = match is_mark(step) {
            true => format!("{}sha256:…'", step.sql.split("sha256:").next().unwrap_or_default()),
            false => step.sql.clone(),
        };
        let sql = sql.lines().map(str::trim_end).collect::<Vec<_>>().join("\n      ");
        let sql = if follows(plan, step) { unqualified(&sql) } else { sql };
        let _ = writeln!(text, "[{place}]{role} {sql}");
    }
    if text.is_empty() {
        text.push_str("nothing\n");
    }
    COLUMN.replace_all(&text, "column $1 does not exist").into_owned()
}

/// Whether a statement is for what follows and no manifest says.
fn follows(plan: &Plan, step: &Step) -> bool {
    plan.changes.iter().any(|change| change.address == step.mart && change.file.is_none())
}

/// From 16 on PostgreSQL prints columns without their relation where there is one only: the first line stays, the rest loses its qualifiers.
fn unqualified(sql: &str) -> String {
    let (first, rest) = sql.split_once('\n').unwrap_or((sql, ""));
    let rest = QUALIFIER.replace_all(rest, "");
    [first, &*rest].join("\n").trim_end().to_owned()
}

static QUALIFIER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"("[^"]+"|\b[a-z_]\w*)\."#).expect("a pattern"));
static COLUMN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"column (?:\w+\.)?"?(\w+)"? does not exist"#).expect("a pattern"));

//! What a command says when it fails: on stderr for people, as one object on stdout for programs.

use std::error::Error as StdError;
use std::sync::OnceLock;

use datamart::build::CheckResult;
use datamart::catalog::CatalogError;
use datamart::compile::{CompileError, Failure};
use datamart::database::{DatabaseError, ErrorKind, LockError, SqlError};
use datamart::manifest::{self, Desired, ManifestError, Problem, Severity};
use datamart::observe::ObserveError;
use datamart::plan::{PlanError, PlanProblem};
use datamart::reconcile::ReconcileError;
pub use datamart::state::count;
use serde_json::{Value, json};

use super::hint::{hint, in_function, of_mart, registry_is};
use super::locate::{at_line, locate};
use super::print::{self, Style};
use super::report;

/// The role that connects, once it is known: hints name it in the GRANT that is missing.
static ROLE: OnceLock<String> = OnceLock::new();

/// Says which role connects, and in which schema the registry is.
pub fn connecting_as(role: &str, registry: &str) {
    // A second call of the same command says the same.
    let _ = ROLE.set(role.to_owned());
    registry_is(registry);
}

/// The role that connects, for hints.
pub fn role() -> &'static str {
    ROLE.get().map_or("postgres", String::as_str)
}

/// Who lacks what an error says: the role that its statement ran as, else the owner of the mart, else who connected.
pub fn acting<'a>(error: &'a SqlError, owner: Option<&'a str>, connected: &'a str) -> &'a str {
    // Who may not become the owner is who connected; everything else the owner may not.
    let becoming = ["member of role", "SET ROLE", "set role"].iter().any(|words| error.message.contains(words));
    error.role.as_deref().or(owner).filter(|_| !becoming).unwrap_or(connected)
}

/// Why a command failed.
#[derive(Debug, Default)]
pub struct CommandError {
    /// One fixed word.
    pub kind: &'static str,
    /// What failed, in one line.
    pub message: String,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// What to do.
    pub hints: Vec<String>,
    /// Where in the user's files.
    pub problems: Vec<Problem>,
    /// What the checks found that stand against it.
    pub checks: Box<Findings>,
}

/// What checks found; beside the error, which every function hands on.
#[derive(Debug, Default)]
pub struct Findings(pub Vec<CheckResult>);

/// The way of all functions here.
pub type Result<T, E = CommandError> = std::result::Result<T, E>;

impl CommandError {
    /// An error of this kind.
    pub fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), ..Self::default() }
    }

    /// Something that should not happen.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new("internal", message)
    }

    /// A request that cannot be met as it stands: a name nobody has, a file that is there already.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new("usage", message)
    }

    /// A usage error, as clap found it.
    pub fn usage(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        let mut paragraphs = text.split("\n\n").map(str::trim);
        let message = paragraphs.next().unwrap_or_default().trim_start_matches("error: ");
        let words: Vec<&str> = message.split_whitespace().collect();
        let mut failed = Self::new("usage", words.join(" "));
        failed.hints.extend(paragraphs.filter_map(|p| p.strip_prefix("tip: ")).map(str::to_owned));
        failed
    }

    /// A file of the user's could not be read or written.
    pub fn io(action: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self { causes: vec![error.to_string()], ..Self::new("io", format!("cannot {action} {}", path.display())) }
    }

    /// Whether what was read was replaced meanwhile, so that another look sees what stands in its place.
    pub fn is_outdated(&self) -> bool {
        self.kind == ErrorKind::Serialization.as_str()
    }

    /// The same with a hint more.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.hints.push(text.into());
        self
    }

    /// Queries and indexes that PostgreSQL refused, each at its place in its file.
    pub fn compile(error: CompileError, desired: &Desired) -> Self {
        let (failures, skipped) = match error {
            CompileError::Refused { failures, skipped } => (failures, skipped),
            CompileError::Sql(source) => return Self::sql("cannot compile the marts", &source),
        };
        let problems: Vec<Problem> = failures.iter().map(|failure| refused(failure, desired)).collect();
        let declarations = count(problems.len(), "declaration");
        let of_server = failures.iter().any(|failure| failure.error.sqlstate.is_some());
        let mut failed = match of_server {
            true => Self::new("query", format!("PostgreSQL refuses {declarations}")),
            false => Self::new("query", format!("{declarations} cannot be applied")),
        };
        failed.problems = problems;
        if !skipped.is_empty() {
            let names: Vec<String> = skipped.iter().map(ToString::to_string).collect();
            failed.hints.push(format!("not looked at, because they read one of these: {}", names.join(", ")));
        }
        failed
    }

    /// Something that PostgreSQL refused while we did `what`.
    pub fn sql(what: &str, error: &SqlError) -> Self {
        Self::sql_of_mart(what, error, &[], None)
    }

    /// The same for a mart that is built with this search path, as this role.
    pub fn sql_of_mart(what: &str, error: &SqlError, search_path: &[String], owner: Option<&str>) -> Self {
        let mut failed = Self::new(error.kind_word(), what);
        failed.causes.push(error.message.clone());
        failed.explain(error, search_path, owner);
        failed
    }

    /// Takes over what the server said beside its message, and our own hint.
    fn explain(&mut self, error: &SqlError, search_path: &[String], owner: Option<&str>) {
        self.causes.extend(error.detail.clone());
        match of_mart(error, acting(error, owner, role()), search_path) {
            Some(ours) => self.hints.push(ours),
            None => self.hints.extend(error.hint.clone()),
        }
    }

    /// Tells it in the form that was asked for.
    pub fn print(&self, style: Style) {
        if style.json() {
            self.print_json();
        } else {
            print::err(&self.text(style.err_color));
        }
    }

    /// Tells it as one object on stdout.
    pub fn print_json(&self) {
        print::json(&json!({ "error": self.json() }));
    }

    /// For people.
    pub fn text(&self, color: bool) -> String {
        let paint = |code: &str, word: &str| match color {
            true => format!("\u{1b}[1;{code}m{word}\u{1b}[0m"),
            false => word.to_owned(),
        };
        let mut text = String::new();
        if !self.problems.is_empty() {
            text.push_str(manifest::render(&self.problems, color).trim_end());
            text.push_str("\n\n");
        }
        text.push_str(&format!("{}: {}\n", paint("31", "error"), self.message));
        for cause in &self.causes {
            text.push_str(&format!("  caused by: {}\n", cause.replace('\n', "\n    ")));
        }
        text.push_str(&report::findings::findings(&self.checks.0, color));
        for hint in &self.hints {
            text.push_str(&format!("{}: {hint}\n", paint("36", "help")));
        }
        text
    }

    /// For programs: what stands under `error`.
    pub fn json(&self) -> Value {
        let first = self.problems.iter().find(|p| p.severity == Severity::Error);
        let place = first.and_then(|p| p.place.as_ref());
        let mut message = self.message.clone();
        for cause in &self.causes {
            message.push_str(": ");
            message.push_str(cause);
        }
        let mut told = json!({
            "kind": self.kind,
            "message": message,
            "file": first.map(|p| p.file.display().to_string()),
            "line": place.map(|p| p.line),
            "column": place.map(|p| p.column),
            "hint": (!self.hints.is_empty()).then(|| self.hints.join("\n")),
            "problems": problems_json(&self.problems),
        });
        if !self.checks.0.is_empty() {
            told["checks"] = json!(self.checks.0);
        }
        told
    }
}

/// Problems for programs.
pub fn problems_json(problems: &[Problem]) -> Vec<Value> {
    let one = |problem: &Problem| {
        json!({
            "file": problem.file.display().to_string(),
            "line": problem.place.as_ref().map(|p| p.line),
            "column": problem.place.as_ref().map(|p| p.column),
            "key": problem.key,
            "message": problem.message,
            "help": problem.help,
            "severity": match problem.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
        })
    };
    problems.iter().map(one).collect()
}

/// What PostgreSQL refuses of a mart, at its place in its file.
pub fn refused(failure: &Failure, desired: &Desired) -> Problem {
    let found = desired.marts.iter().find(|d| d.mart.name == failure.mart);
    let at = found.zip(failure.error.position).and_then(|(mart, at)| mart.place_of(at));
    let index = failure.index.as_ref().zip(found);
    let check = failure.check.as_ref().zip(found);
    let check = check.and_then(|(name, mart)| mart.mart.checks.iter().enumerate().find(|(_, c)| c.name == *name));
    let key = match index.map(|(name, mart)| mart.mart.indexes.iter().position(|index| index.name == *name)) {
        Some(Some(at)) => format!("indexes.{at}"),
        Some(None) => "indexes".to_owned(),
        None => check.map_or_else(|| "query".to_owned(), |(at, c)| format!("checks.{at}.{}", c.form.key())),
    };
    let key = failure.key.clone().unwrap_or(key);
    let (file, place) = match (at, found) {
        (Some((file, place)), _) => (file, Some(place)),
        (None, Some(mart)) => (mart.file.clone(), locate(&mart.file, &key)),
        (None, None) => (desired.dir.clone(), None),
    };
    let index = failure.index.as_ref().map(|name| format!("index {name}: "));
    let what = index.or_else(|| failure.check.as_ref().map(|name| format!("check {name}: "))).unwrap_or_default();
    let detail = failure.error.detail.as_ref().map_or_else(String::new, |detail| format!(" ({detail})"));
    let role = acting(&failure.error, found.and_then(|d| d.mart.owner.as_deref()), role());
    let path = found.map(|d| d.mart.search_path.as_slice()).unwrap_or_default();
    let theirs = in_function(&failure.error, path).or_else(|| failure.error.hint.clone());
    // In a check the mart goes by another name than it was written with.
    let written = |text: String| if failure.check.is_some() { text.replace("_this_", "{this}") } else { text };
    Problem {
        severity: Severity::Error,
        file,
        place,
        key: Some(key),
        message: written(format!("{what}{}{detail}", failure.error.message)),
        help: theirs.or_else(|| hint(&failure.error, role)).map(written),
    }
}

/// What a plan cannot do, at its key.
pub fn at_key(problem: &PlanProblem) -> Problem {
    Problem {
        severity: Severity::Error,
        file: problem.file.clone(),
        place: locate(&problem.file, &problem.key),
        key: Some(problem.key.clone()),
        message: format!("{}: {}", problem.mart, problem.message),
        help: Some(problem.help.clone()),
    }
}

/// The sources of an error, as causes.
fn sources(error: &dyn StdError) -> Vec<String> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes
}

impl From<ManifestError> for CommandError {
    fn from(error: ManifestError) -> Self {
        let message = error.to_string();
        match error {
            ManifestError::Invalid { problems } => {
                let errors = problems.iter().filter(|p| p.severity == Severity::Error).count();
                let message = format!("{} in the manifests", count(errors, "problem"));
                Self { problems, ..Self::new("manifest", message) }
            }
            other => Self { causes: sources(&other), ..Self::new("io", message) },
        }
    }
}

impl From<DatabaseError> for CommandError {
    fn from(error: DatabaseError) -> Self {
        let mut failed = Self { causes: sources(&error), ..Self::new(error.kind(), error.to_string()) };
        failed.hints.extend(error.way_out());
        if let Some(said) = error.sql() {
            failed.explain(said, &[], None);
        }
        if let DatabaseError::Seed { file, line, source } = &error {
            failed.problems = vec![Problem {
                severity: Severity::Error,
                file: file.clone(),
                place: line.and_then(|line| at_line(file, line)),
                key: None,
                message: source.message.clone(),
                help: None,
            }];
        }
        failed
    }
}

impl From<SqlError> for CommandError {
    fn from(error: SqlError) -> Self {
        let mut failed = Self::new(error.kind_word(), error.message.clone());
        failed.explain(&error, &[], None);
        failed
    }
}

impl From<CatalogError> for CommandError {
    fn from(error: CatalogError) -> Self {
        match &error {
            CatalogError::Sql(said) => Self::sql("cannot read the catalog", said),
            CatalogError::Registry { .. } => Self::new(error.kind().as_str(), error.to_string()),
        }
    }
}

impl From<ObserveError> for CommandError {
    fn from(error: ObserveError) -> Self {
        match error {
            ObserveError::Sql(said) => said.into(),
            ObserveError::Catalog(error) => error.into(),
            ObserveError::Absent { .. } => {
                Self::new(error.kind(), error.to_string()).help("`datamart apply` builds what is declared")
            }
        }
    }
}

impl From<LockError> for CommandError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Database(error) => error.into(),
            held => Self::new(held.kind(), held.to_string()),
        }
    }
}

impl From<PlanError> for CommandError {
    fn from(error: PlanError) -> Self {
        let PlanError::Problems { problems, .. } = &error;
        let message = format!("{} with this database", count(problems.len(), "problem"));
        Self { problems: problems.iter().map(at_key).collect(), ..Self::new("plan", message) }
    }
}

impl From<ReconcileError> for CommandError {
    fn from(error: ReconcileError) -> Self {
        match error {
            ReconcileError::Manifest(error) => error.into(),
            ReconcileError::Policy { message } => Self::new("manifest", message),
            ReconcileError::Git(error) => {
                Self { causes: sources(&error), ..Self::new(error.kind(), error.to_string()) }
            }
            ReconcileError::Compile { source, desired } => Self::compile(source, &desired),
            ReconcileError::Plan(error) => error.into(),
            ReconcileError::Apply(error) => Self::new(error.kind(), error.to_string()),
            ReconcileError::Refresh(error) => error.into(),
            ReconcileError::Observe(error) => error.into(),
            ReconcileError::Catalog(error) => error.into(),
            ReconcileError::Database(error) => error.into(),
            ReconcileError::Lock(error) => error.into(),
            ReconcileError::Sql(error) => error.into(),
        }
    }
}

//! What commands work with: the manifests, the database, one snapshot of it, the plan.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Utc;
use datamart::database::registry::{self, Meta};
use datamart::database::retry::Rereads;
use datamart::database::{self, Reach};
use datamart::manifest::{self, Desired, LoadOptions, ManifestError, OnDrift, Problem, Prune};
use datamart::observe::{self, Looked, MartStatus, States};
use datamart::plan::{Action, HazardKind, Heal, Options, Plan};
pub use datamart::reconcile::Seen;
use datamart::reconcile::{self, ReconcileError};
use datamart::state::{QName, Selector, selector};
use globset::{Glob, GlobMatcher};
use sqlx::PgConnection;

use super::args::{ChangeArgs, Globals};
use super::error::{CommandError, Result, connecting_as};
use super::print::{self, Style};
use super::select::{self, not_selected};
use super::snapshot::snapshot;

/// The manifests, read and told about.
///
/// # Errors
/// Every problem of every file.
pub fn load(globals: &Globals, style: Style) -> Result<Desired> {
    let desired = manifest::load(&load_options(globals)).map_err(|error| not_loaded(globals, error))?;
    warn(&desired.warnings, style);
    Ok(desired)
}

/// As [`load`], without warnings; where manifests cannot be used, the project alone, and `false`. What was applied before is looked
/// after all the same, and never more urgently.
///
/// # Errors
/// Every problem, where the project's own files cannot be used, either.
pub fn load_or_project(globals: &Globals, style: Style) -> Result<(Desired, bool)> {
    let options = load_options(globals);
    let error = match manifest::load(&options) {
        Ok(desired) => return Ok((desired, true)),
        Err(error) => error,
    };
    let Ok(project) = manifest::project_alone(&options) else { return Err(not_loaded(globals, error)) };
    if let ManifestError::Invalid { problems } = &error {
        print::err(&manifest::render(problems, style.err_color));
    }
    print::err("warning: the manifests cannot be used; what was applied before is shown and worked on");
    Ok((project, false))
}

fn load_options(globals: &Globals) -> LoadOptions {
    LoadOptions {
        dir: globals.dir.clone(),
        config: globals.config.clone(),
        environment: environment(),
        ..LoadOptions::default()
    }
}

fn not_loaded(globals: &Globals, error: ManifestError) -> CommandError {
    let failed = CommandError::from(error);
    match globals.dir.exists() {
        true => failed,
        false => failed.help("name the manifests' folder with --dir, or write a first project with `datamart init`"),
    }
}

/// Tells what is not an error.
pub fn warn(warnings: &[Problem], style: Style) {
    if !warnings.is_empty() && !style.quiet {
        print::err(&manifest::render(warnings, style.err_color));
    }
}

/// What a plan covers and may do.
#[derive(Debug, Clone, Default)]
pub struct PlanFlags {
    /// `--select`, `--allow`, `--prune`.
    pub change: ChangeArgs,
    /// `--heal`.
    pub heal: bool,
    /// Drift is only shown, all of it, whatever the policy says.
    pub show_drift: bool,
    /// Exactly these marts, instead of a selector.
    pub only: Option<BTreeSet<QName>>,
    /// Relations taken over as they are; see [`Options::adopt`].
    pub adopt: BTreeMap<QName, Option<String>>,
}

impl From<&ChangeArgs> for PlanFlags {
    fn from(change: &ChangeArgs) -> Self {
        Self { change: change.clone(), ..Self::default() }
    }
}

/// An open database and what it should be.
#[derive(Debug)]
pub struct Context {
    /// How to print.
    pub style: Style,
    /// The manifests.
    pub desired: Desired,
    /// They can be used; else it is the project alone.
    pub whole: bool,
    /// The way to the database; the embedded server runs while it is held.
    pub reach: Reach,
    /// A session.
    pub conn: PgConnection,
}

impl Context {
    /// Reads the manifests, finds the database, opens a session named `datamart: <purpose>`.
    ///
    /// # Errors
    /// What is wrong with the manifests, or on the way to the database.
    pub async fn open(globals: &Globals, style: Style, purpose: &str) -> Result<Self> {
        // What could be better is told where manifests are judged, not whenever somebody looks.
        let judges = matches!(purpose, "plan" | "apply");
        let desired = load(globals, Style { quiet: style.quiet || !judges, ..style })?;
        Self::reached(globals, style, (desired, true), purpose).await
    }

    /// As [`open`](Self::open), also where manifests cannot be used.
    ///
    /// # Errors
    /// What is wrong with the project's own files, or on the way to the database.
    pub async fn open_anyway(globals: &Globals, style: Style, purpose: &str) -> Result<Self> {
        Self::reached(globals, style, load_or_project(globals, style)?, purpose).await
    }

    async fn reached(
        globals: &Globals,
        style: Style,
        (desired, whole): (Desired, bool),
        purpose: &str,
    ) -> Result<Self> {
        let reach = reach(globals, style, &desired).await?;
        // A look alone has more statements than other sessions keep, and who refreshes looks again.
        let conn = reach.endpoint.worker(purpose).await?;
        Ok(Self { style, desired, whole, reach, conn })
    }

    /// The registry's schema.
    pub fn registry_schema(&self) -> &str {
        &self.desired.project.registry_schema
    }

    /// The project's key in the registry.
    pub fn project(&self) -> &str {
        &self.desired.project.name
    }

    /// The registry's own row, where there is a registry.
    ///
    /// # Errors
    /// A registry that cannot be used; what the server says.
    pub async fn registry(&mut self) -> Result<Option<Meta>> {
        let schema = &self.desired.project.registry_schema;
        Ok(registry::state(&mut self.conn, schema).await?.usable(schema)?)
    }

    /// Reads everything the manifests and the registry speak of, in one snapshot that changes nothing.
    ///
    /// # Errors
    /// A registry that cannot be used; what the server says.
    pub async fn actual(&mut self) -> Result<Seen> {
        Ok(reconcile::look(&mut self.conn, &self.desired).await?)
    }

    /// As [`actual`](Self::actual), without what only a plan needs: it waits for nobody's refresh.
    ///
    /// # Errors
    /// As [`actual`](Self::actual).
    pub async fn glance(&mut self) -> Result<Seen> {
        Ok(reconcile::glance(&mut self.conn, &self.desired).await?)
    }

    /// Looks as [`glance`](Self::glance) does, and reads what `read` makes of it: again, where something was replaced since it was
    /// seen.
    ///
    /// # Errors
    /// As [`actual`](Self::actual), and what `read` says.
    pub async fn looking<T>(&mut self, mut read: impl AsyncFnMut(&mut Self, &Seen) -> Result<T>) -> Result<T> {
        let mut rereads = Rereads::default();
        loop {
            let seen = self.glance().await?;
            match read(self, &seen).await {
                Err(error) if error.is_outdated() && rereads.another() => {}
                done => return done,
            }
        }
    }

    /// Plans, after reading a snapshot.
    ///
    /// # Errors
    /// As [`actual`](Self::actual) and [`plan_with`](Self::plan_with).
    pub async fn plan(&mut self, flags: &PlanFlags) -> Result<Plan> {
        let seen = self.actual().await?;
        self.plan_with(&seen, flags).await
    }

    /// Plans from a snapshot: compiles what is new or changed, in a transaction that rolls back, and compares.
    ///
    /// # Errors
    /// A selector or hazard nobody knows; queries PostgreSQL refuses; what the database lacks.
    pub async fn plan_with(&mut self, seen: &Seen, flags: &PlanFlags) -> Result<Plan> {
        Ok(self.planned(seen, flags).await??)
    }

    /// The same, where it matters why there is none.
    pub async fn planned(&mut self, seen: &Seen, flags: &PlanFlags) -> Result<Result<Plan, ReconcileError>> {
        let mut options = self.options(flags)?;
        options.select = match (&flags.only, &flags.change.select) {
            (Some(only), _) => Some(only.clone()),
            (None, Some(text)) => Some(self.select(seen, text).await?),
            (None, None) => None,
        };
        Ok(reconcile::plan(&mut self.conn, &self.desired, seen, options, flags.show_drift, Utc::now()).await)
    }

    /// The marts that a selector stands for, as the database is now.
    ///
    /// # Errors
    /// A selector that cannot be read, or an atom nothing matches; for `state:`, what [`plan`](Self::plan) says.
    pub async fn select(&mut self, seen: &Seen, text: &str) -> Result<BTreeSet<QName>> {
        let selector = Selector::parse(text).map_err(not_selected)?;
        let states = match selector.needs_states() {
            true => {
                let whole = Box::pin(self.plan_with(seen, &PlanFlags::default())).await?;
                self.states(seen, &whole).await?
            }
            false => States::new(),
        };
        let mut nodes = observe::nodes(&self.desired, Some(&seen.actual), &states);
        if text.contains('+') {
            snapshot(&mut self.conn, &self.desired, async |conn| {
                Ok(observe::look_through_views(conn, &mut nodes).await?)
            })
            .await?;
        }
        select::selected(&selector, text, &nodes, &self.desired.project.schema, self.style)
    }

    /// The one mart of that name, declared or only known to the registry.
    ///
    /// # Errors
    /// No such mart, with the nearest; or several.
    pub fn find(&self, seen: &Seen, text: &str) -> Result<QName> {
        let nodes = observe::nodes(&self.desired, Some(&seen.actual), &States::new());
        selector::find(text, &nodes, &self.desired.project.schema).map_err(not_selected)
    }

    /// How every mart is, as `status` shows it.
    ///
    /// # Errors
    /// What the server says.
    pub async fn status(&mut self, seen: &Seen) -> Result<Vec<MartStatus>> {
        let (looked, conn) = self.looked(seen);
        snapshot(conn, looked.desired, async |conn| Ok(observe::status(conn, &looked).await?)).await
    }

    /// What `observe` looks at, and the session for it.
    pub fn looked<'a>(&'a mut self, seen: &'a Seen) -> (Looked<'a>, &'a mut PgConnection) {
        let project = &self.desired.project;
        let looked = Looked {
            desired: self.whole.then_some(&self.desired),
            actual: &seen.actual,
            project: &project.name,
            registry: seen.registry.as_ref().map(|_| project.registry_schema.as_str()),
            now: Utc::now(),
        };
        (looked, &mut self.conn)
    }

    async fn states(&mut self, seen: &Seen, whole: &Plan) -> Result<States> {
        let mut states = States::new();
        let by_address: BTreeMap<String, QName> =
            self.desired.marts.iter().map(|d| (d.mart.name.to_string(), d.mart.name.clone())).collect();
        let mut add = |name: Option<&QName>, state: &str| {
            if let Some(name) = name {
                states.entry(name.clone()).or_default().insert(state.to_owned());
            }
        };
        for change in &whole.changes {
            let state = if change.action == Action::Create && change.before.is_null() { "new" } else { "changed" };
            add(by_address.get(&change.address), state);
        }
        for drift in &whole.drift {
            add(by_address.get(&drift.address), "drifted");
        }
        for mart in self.status(seen).await? {
            if mart.is_stale() {
                add(Some(&mart.id), "stale");
            }
            if mart.has_failed() {
                add(Some(&mart.id), "failed");
            }
        }
        Ok(states)
    }

    /// How a plan with these flags is made.
    ///
    /// # Errors
    /// A hazard or a pattern nobody knows.
    pub fn options(&self, flags: &PlanFlags) -> Result<Options> {
        let policy = &self.desired.project.policy;
        let mut allow = hazards(&policy.allow_hazards, "policy.allow_hazards")?;
        allow.extend(hazards(&flags.change.allow, "--allow")?);
        let heal = match (flags.heal, policy.on_drift) {
            (true, _) => Heal::All,
            (false, OnDrift::Heal) if !flags.show_drift => Heal::ButAdded,
            (false, _) => Heal::Nothing,
        };
        Ok(Options {
            allow,
            prune: flags.change.prune || policy.prune == Prune::Always,
            heal,
            select: None,
            revision: manifest::revision(&self.desired.dir),
            database: self.reach.endpoint.label().to_owned(),
            ignore: self.ignored()?,
            adopt: flags.adopt.clone(),
            respelled: BTreeMap::new(),
        })
    }

    /// `ignore_drift`, compiled.
    ///
    /// # Errors
    /// A pattern that is none.
    pub fn ignored(&self) -> Result<Vec<GlobMatcher>> {
        let compile = |pattern: &String| match Glob::new(pattern) {
            Ok(glob) => Ok(glob.compile_matcher()),
            Err(error) => Err(CommandError::new("manifest", format!("policy.ignore_drift: {error}"))),
        };
        self.desired.project.policy.ignore_drift.iter().map(compile).collect()
    }

    /// Ends the use of the database; the embedded server stops with its last user.
    ///
    /// # Errors
    /// Where the embedded server does not stop.
    pub async fn close(self) -> Result<()> {
        // The result stands; a server that is gone by now has nothing to add.
        let _ = sqlx::Connection::close(self.conn).await;
        Ok(self.reach.close().await?)
    }
}

/// Whether the database is the embedded server's.
pub fn is_embedded(globals: &Globals, desired: &Desired) -> bool {
    let given = globals.database_url.is_some() || std::env::var_os("DATABASE_URL").is_some();
    let project = &desired.project;
    !given && project.database.url.is_none() && project.database.unset.is_empty() && project.embedded.is_some()
}

/// Finds the database, and says in one line when it is the embedded server.
///
/// # Errors
/// No database named; what the embedded server says.
pub async fn reach(globals: &Globals, style: Style, desired: &Desired) -> Result<Reach> {
    let given = std::env::var("DATABASE_URL").ok();
    let reach =
        database::resolve(globals.database_url.as_deref(), given.as_deref(), &desired.project, &desired.dir).await?;
    connecting_as(reach.endpoint.role(), &desired.project.registry_schema);
    if let Some(server) = &reach.embedded {
        let made = if server.created { ", made now" } else { "" };
        let data = server.data_dir.display();
        print::note(style, &format!("Using the embedded PostgreSQL {} (data in {data}{made}).", server.version));
    }
    Ok(reach)
}

/// The environment.
pub fn environment() -> BTreeMap<String, String> {
    let pairs = std::env::vars_os();
    pairs.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

fn hazards(words: &[String], said_in: &str) -> Result<BTreeSet<HazardKind>> {
    let read = |word: &String| {
        word.trim().parse().map_err(|message: String| CommandError::input(format!("{said_in}: {message}")))
    };
    words.iter().filter(|word| !word.trim().is_empty()).map(read).collect()
}

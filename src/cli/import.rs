//! `import`: manifests for the views and materialized views that a database already has.

mod choose;
mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use datamart::adopt::{self, Adoption, Adoptions, Findings, Note};
use datamart::catalog::{self, Actual, CronJob, Relation, RelationKind, TimeZone};
use datamart::compile::{self, Restated, Stated, StatedIndex};
use datamart::database::registry;
use datamart::database::{LockSession, SqlError};
use datamart::manifest::{self, Desired, Project};
use datamart::plan;
use datamart::state::{Mart, QName};

use super::Exit;
use super::apply;
use super::args::{Globals, ImportArgs};
use super::context::{Context, PlanFlags, reach, snapshot};
use super::error::{CommandError, Result};
use super::print::{self, Style};
use super::refresh::held;
use super::report;
use super::report::import::{Imported, Left};

use choose::Chosen;

/// Reads the database, writes what is new or changed, and records it where that is asked for.
///
/// # Errors
/// Manifests that are broken already; a schema that does not exist; what the server or the file system says. Then no file has changed.
pub async fn run(args: &ImportArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let desired = files::read(globals, style)?;
    let reach = reach(globals, style, &desired).await?;
    let conn = reach.endpoint.session("import").await?;
    let mut context = Context { style, desired, reach, conn };
    let lock = match args.adopt {
        true => Some(locked(&context).await?),
        false => None,
    };
    let mut seen = look(&mut context, args).await?;
    let settled = settle(&mut context, &seen).await?;
    let mut live = BTreeMap::new();
    for (name, restated) in settled.live {
        match restated {
            Ok(restated) => {
                live.insert(name, restated);
            }
            Err(error) => seen.chosen.left.push(refused(&seen.actual, name, &error)),
        }
    }
    let fresh = context.desired.marts.is_empty() && !context.desired.dir.join("project.toml").exists();
    let project = match fresh {
        true => common(&context.desired.project, &seen.actual, &live, &seen.timezone.name),
        false => context.desired.project.clone(),
    };
    let declared = settled.declared.into_iter().filter_map(|(name, found)| Some((name, found.ok()?))).collect();
    let before = context.desired.clone();
    let queries = manifest::save::queries(&globals.dir)?;
    let Adoptions { marts, notes } = adopt::manifests(&Findings {
        desired: &before,
        project: &project,
        actual: &seen.actual,
        live: &live,
        declared: &declared,
        jobs: &seen.jobs,
        timezone: &seen.timezone.name,
        taken: &queries,
    });
    let mut told = Imported { database: context.reach.endpoint.label().to_owned(), ..Imported::new(&globals.dir) };
    told.left = seen.chosen.left;
    told.notes = notes;
    let (taken, after) = files::write(&marts, fresh.then_some(&project), globals, &mut told)?;
    told.notes.extend(missing(&after, &seen.actual));
    told.managed = taken.iter().filter(|adoption| seen.actual.recorded.contains_key(&adoption.mart.name)).count();
    context.desired = after;
    if args.adopt {
        let pending = pending(&taken, &live, &declared);
        told.adopted = Some(record(&mut context, &taken, &pending, &seen.actual, lock.as_ref()).await?);
    }
    if let Some(lock) = lock {
        lock.close().await?;
    }
    warn_of_time_zone(&context, &seen.timezone, &taken);
    context.close().await?;
    report::import::print(&told, style);
    Ok(Exit::Done)
}

/// Warns where what `date_trunc('day', …)` means was not to be had for sure.
fn warn_of_time_zone(context: &Context, zone: &TimeZone, taken: &[&Adoption<'_>]) {
    let new = |adoption: &&&Adoption<'_>| adoption.known.is_none() && adoption.mart.kind.has_data();
    if !zone.certain && taken.iter().any(|adoption| new(&adoption)) {
        print::note(
            context.style,
            &format!(
                "warning: only a superuser may read the server's time zone; {}, that of its log, was taken: is it that of your sessions?",
                zone.name
            ),
        );
    }
}

/// What was looked at.
struct Seen {
    actual: Actual,
    chosen: Chosen,
    jobs: Vec<CronJob>,
    timezone: TimeZone,
}

/// Adopting is an apply that changes nothing: no other goes on meanwhile.
async fn locked(context: &Context) -> Result<LockSession> {
    let (schema, project) = (context.registry_schema(), context.project());
    let mut locks = LockSession::open(&context.reach.endpoint, schema, project, "import lock").await?;
    locks.acquire("apply", Duration::ZERO).await.map_err(held)?;
    Ok(locks)
}

/// Chooses among everything there is, and reads what was chosen, in one snapshot.
async fn look(context: &mut Context, args: &ImportArgs) -> Result<Seen> {
    let desired = &context.desired;
    let schema = desired.project.registry_schema.clone();
    snapshot(&mut context.conn, desired, async |conn| {
        let registry = registry::state(conn, &schema).await?.usable(&schema)?.map(|_| schema.clone());
        let others = match &registry {
            Some(schema) => catalog::others_marts(conn, schema, &desired.project.name).await?,
            None => BTreeMap::new(),
        };
        let existing = catalog::existing(conn).await?;
        let mut scope = plan::scope(desired, registry);
        let schemas = catalog::introspect(conn, &scope_of_nothing()).await?.server.schemas;
        let chosen = choose::choose(existing, &others, &schemas, desired, args)?;
        scope.names.extend(chosen.names.iter().cloned());
        let actual = catalog::introspect(conn, &scope).await?;
        let jobs = catalog::cron_jobs(conn).await?;
        let timezone = catalog::time_zone(conn).await?;
        Ok(Seen { actual, chosen, jobs, timezone })
    })
    .await
}

fn scope_of_nothing() -> catalog::Scope {
    catalog::Scope::default()
}

/// The queries of relations and of their manifests, as the server settles them.
struct Settled {
    live: BTreeMap<QName, std::result::Result<Restated, SqlError>>,
    declared: BTreeMap<QName, std::result::Result<Restated, SqlError>>,
}

async fn settle(context: &mut Context, seen: &Seen) -> Result<Settled> {
    let wait = context.desired.project.database.lock_timeout_ms;
    let definition = |name| {
        let relation: &Relation = seen.actual.relations.get(name)?;
        let computed = relation.indexes.iter().filter(|(_, index)| index.valid && (index.partial || index.expressions));
        let indexes =
            computed.map(|(name, index)| StatedIndex { name, definition: &index.definition, unique: index.unique });
        Some(Stated {
            mart: name,
            query: relation.definition.as_deref()?,
            settings: Vec::new(),
            indexes: indexes.collect(),
        })
    };
    let live: Vec<Stated<'_>> = seen.chosen.names.iter().filter_map(definition).collect();
    let known = context.desired.marts.iter().filter(|desired| seen.chosen.names.contains(&desired.mart.name));
    let declared: Vec<Stated<'_>> = known
        .map(|desired| &desired.mart)
        .map(|mart| Stated { mart: &mart.name, query: &mart.query, settings: mart.settings(), indexes: Vec::new() })
        .collect();
    let conn = &mut context.conn;
    Ok(Settled {
        live: compile::restate(conn, &live, wait).await.map_err(unsettled)?,
        declared: compile::restate(conn, &declared, wait).await.map_err(unsettled)?,
    })
}

fn unsettled(error: compile::CompileError) -> CommandError {
    match error {
        compile::CompileError::Sql(source) => CommandError::sql("cannot read the queries", &source),
        refused @ compile::CompileError::Refused { .. } => CommandError::internal(refused.to_string()),
    }
}

/// A relation whose own query the server does not take from this role.
fn refused(actual: &Actual, name: QName, error: &SqlError) -> Left {
    let kind = actual.relations.get(&name).map_or("object", |relation| relation.kind.label());
    let told = CommandError::sql("", error);
    let mut reason = error.message.clone();
    for hint in &told.hints {
        reason.push_str(&format!("; {hint}"));
    }
    Left::new(&name, kind, reason)
}

/// What a new project.toml says: the owner that most have, the database's time zone.
fn common(project: &Project, actual: &Actual, live: &BTreeMap<QName, Restated>, timezone: &str) -> Project {
    let mut owners: BTreeMap<&str, usize> = BTreeMap::new();
    let relations: Vec<&Relation> = live.keys().filter_map(|name| actual.relations.get(name)).collect();
    for relation in &relations {
        *owners.entry(relation.owner.as_str()).or_default() += 1;
    }
    let most = owners.into_iter().max_by_key(|(owner, number)| (*number, std::cmp::Reverse(*owner)));
    let stored = relations.iter().any(|relation| relation.kind == RelationKind::MaterializedView);
    let mut project = project.clone();
    if let Some((owner, _)) = most.filter(|_| project.owner.is_none()) {
        project.owner = Some(owner.to_owned());
    }
    if let Some(zone) = adopt::zone(timezone).filter(|_| stored && project.timezone == Project::default().timezone) {
        project.timezone = zone;
    }
    project
}

/// Manifests of relations that are not there.
fn missing(desired: &Desired, actual: &Actual) -> Vec<Note> {
    let absent = |desired: &&datamart::manifest::DesiredMart| {
        let names = std::iter::once(&desired.mart.name).chain(&desired.mart.renamed_from);
        !names.into_iter().any(|name| actual.relations.contains_key(name))
    };
    let told = |desired: &datamart::manifest::DesiredMart| Note {
        relation: desired.mart.name.clone(),
        message: format!("{} declares it, and the database does not have it", desired.file.display()),
    };
    desired.marts.iter().filter(absent).map(told).collect()
}

/// The settled queries of relations whose manifests ask for others.
fn pending(
    taken: &[&Adoption<'_>],
    live: &BTreeMap<QName, Restated>,
    declared: &BTreeMap<QName, Restated>,
) -> BTreeMap<QName, String> {
    let mut pending = BTreeMap::new();
    for (known, mart) in taken.iter().filter_map(|adoption| Some((adoption.known?, &adoption.mart))) {
        let is = live.get(&mart.name).map(|settled| &settled.canonical);
        let asked = declared.get(&mart.name).map(|settled| &settled.canonical);
        if let Some(is) = is.filter(|is| known.mart.query == mart.query && Some(*is) != asked) {
            pending.insert(mart.name.clone(), is.clone());
        }
    }
    pending
}

/// Writes the registry's rows of what was taken over and is not recorded as it is. Gives how many.
async fn record(
    context: &mut Context,
    taken: &[&Adoption<'_>],
    pending: &BTreeMap<QName, String>,
    before: &Actual,
    lock: Option<&LockSession>,
) -> Result<usize> {
    let seen = context.actual().await?;
    let mut adopt = BTreeMap::new();
    for mart in taken.iter().map(|adoption| &adoption.mart) {
        let name = &mart.name;
        let (was, is) = (before.relations.get(name), seen.actual.relations.get(name));
        if was.map(Relation::fingerprint) != is.map(Relation::fingerprint) {
            return Err(CommandError::new("stale", format!("{name} changed while it was imported"))
                .help("import again; the manifests that were written stay"));
        }
        if !is_recorded(&seen.actual, mart) {
            adopt.insert(name.clone(), pending.get(name).cloned());
        }
    }
    if adopt.is_empty() {
        return Ok(0);
    }
    let number = adopt.len();
    let only: BTreeSet<QName> = adopt.keys().cloned().collect();
    let flags = PlanFlags { only: Some(only), adopt, ..PlanFlags::default() };
    let plan = context.plan_with(&seen, &flags).await?;
    apply::execute(context, &plan, lock.map(LockSession::pid)).await?;
    Ok(number)
}

/// Whether the registry says of a relation what it is.
fn is_recorded(actual: &Actual, mart: &Mart) -> bool {
    let recorded = actual.recorded.get(&mart.name).zip(actual.relations.get(&mart.name));
    let Some((recorded, live)) = recorded else { return false };
    let applied = &recorded.applied;
    let of = |mart: &Mart, name: &String| mart.indexes.iter().find(|index| index.name == *name).cloned();
    let declared = |name: &String| of(&recorded.mart, name).is_some_and(|index| of(mart, name) == Some(index));
    recorded.relation == Some(live.oid)
        && live.definition.as_ref().is_none_or(|definition| *definition == applied.definition)
        && (&live.owner, &live.comment, &live.options) == (&applied.owner, &applied.comment, &applied.options)
        && (&live.tablespace, &live.grants, &live.columns) == (&applied.tablespace, &applied.grants, &applied.columns)
        && live
            .indexes
            .iter()
            .all(|(name, index)| applied.indexes.get(name) == Some(index) && (!index.valid || declared(name)))
        && applied.indexes.keys().all(|name| live.indexes.contains_key(name))
}

//! `import`: manifests for the views and materialized views that a database already has.

mod adoption;
mod choose;
mod files;
mod settle;
mod warnings;

use std::collections::BTreeMap;

use datamart::adopt::{self, Adoptions, Findings, Note};
use datamart::catalog::{self, Actual, CronJob, Relation, RelationKind, Scope, TimeZone};
use datamart::compile::Restated;
use datamart::database::registry;
use datamart::database::retry::Rereads;
use datamart::manifest::{self, Desired, DesiredMart, Project};
use datamart::plan;
use datamart::state::QName;

use super::Exit;
use super::args::{Globals, ImportArgs};
use super::context::{Context, reach};
use super::error::Result;
use super::print::Style;
use super::report;
use super::report::import::Imported;
use super::snapshot::snapshot;

use adoption::{locked, may_adopt, pending, record};
use choose::Chosen;
use settle::{refused, settle};

/// Reads the database, writes what is new or changed, and records it where that is asked for.
///
/// # Errors
/// Manifests that are broken already; a schema that does not exist; what the server or the file system says. Then no file has changed.
pub async fn run(args: &ImportArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let desired = files::read(globals)?;
    let reach = reach(globals, style, &desired).await?;
    let conn = reach.endpoint.session("import").await?;
    let mut context = Context { style, desired, whole: true, reach, conn };
    let lock = match args.adopt {
        true => Some(locked(&context).await?),
        false => None,
    };
    let mut seen = look(&mut context, args).await?;
    if args.adopt {
        may_adopt(&mut context).await?;
    }
    let settled = settle(&mut context, &mut seen).await?;
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
    let findings = Findings {
        desired: &before,
        project: &project,
        actual: &seen.actual,
        live: &live,
        declared: &declared,
        jobs: &seen.jobs,
        timezone: &seen.timezone.name,
        taken: &queries,
    };
    let drafted = adopt::drafts(&findings, &seen.chosen.divided, seen.actual.server.now);
    let Adoptions { mut marts, mut notes } = adopt::manifests(&findings);
    notes.extend(drafted.notes);
    marts.extend(before.marts.iter().filter(|desired| adoptable(desired, &seen)).map(|desired| adopt::Adoption {
        mart: desired.mart.clone(),
        known: Some(desired),
        path: desired.path.clone(),
    }));
    let mut told = Imported { database: context.reach.endpoint.label().to_owned(), ..Imported::new(&globals.dir) };
    let partitioned = RelationKind::PartitionedTable.label();
    told.left = std::mem::take(&mut seen.chosen.left);
    told.left.extend(drafted.refused.into_iter().map(|(name, why)| report::import::Left::new(&name, partitioned, why)));
    told.left.extend(before.marts.iter().filter_map(|desired| {
        let old = too_old(desired, &seen).filter(|_| args.adopt)?;
        let why = format!("its partition {old} is older than its manifest retains; detach it, or retain more");
        Some(report::import::Left::new(&desired.mart.name, partitioned, why))
    }));
    told.notes = notes;
    let (taken, after) = files::write(&marts, fresh.then_some(&project), globals, &mut told)?;
    told.notes.extend(missing(&after, &seen.actual));
    told.drafted = files::drafts(&drafted.marts, &after, &globals.dir)?;
    told.managed = taken.iter().filter(|adoption| seen.actual.recorded.contains_key(&adoption.mart.name)).count();
    context.desired = after;
    if args.adopt {
        let pending = pending(&taken, &live, &declared);
        told.adopted = Some(record(&mut context, &taken, &pending, &seen.actual, lock.as_ref()).await?);
    }
    if let Some(lock) = lock {
        lock.close().await?;
    }
    warnings::of_time_zone(&context, &seen.timezone, &taken);
    warnings::of_others(&context, &seen.actual, &before);
    warnings::of_owners(&mut context, &taken).await?;
    context.close().await?;
    report::import::print(&told, style);
    Ok(Exit::Done)
}

/// What was looked at.
struct Seen {
    actual: Actual,
    chosen: Chosen,
    jobs: Vec<CronJob>,
    timezone: TimeZone,
}

/// Chooses among everything there is, and reads what was chosen, in one snapshot: in another one, where something of that was
/// replaced meanwhile.
async fn look(context: &mut Context, args: &ImportArgs) -> Result<Seen> {
    let mut rereads = Rereads::default();
    loop {
        match look_once(context, args).await {
            Err(error) if error.is_outdated() && rereads.another() => {}
            done => return done,
        }
    }
}

async fn look_once(context: &mut Context, args: &ImportArgs) -> Result<Seen> {
    let desired = &context.desired;
    let schema = desired.project.registry_schema.clone();
    snapshot(&mut context.conn, desired, async |conn| {
        let registry = registry::state(conn, &schema).await?.usable(&schema)?.map(|_| schema.clone());
        let known = match &registry {
            Some(schema) => catalog::registered(conn, schema).await?,
            None => BTreeMap::new(),
        };
        let existing = catalog::existing(conn).await?;
        let mut scope = plan::scope(desired, registry);
        let schemas = catalog::introspect(conn, &Scope::default()).await?.server.schemas;
        let chosen = choose::choose(existing, &known, &schemas, desired, args)?;
        scope.names.extend(chosen.names.iter().chain(&chosen.divided).cloned());
        let actual = catalog::introspect(conn, &scope).await?;
        let jobs = catalog::cron_jobs(conn).await?;
        let timezone = catalog::time_zone(conn).await?;
        Ok(Seen { actual, chosen, jobs, timezone })
    })
    .await
}

/// Whether a mart of a manifest is there as it is declared, and nobody applied it.
fn adoptable(desired: &DesiredMart, seen: &Seen) -> bool {
    let relation = seen.actual.relations.get(&desired.mart.name).filter(|live| seen.chosen.tables.contains(&live.name));
    let plain = desired.mart.versions.is_none() && too_old(desired, seen).is_none();
    relation.is_some_and(|live| live.kind.is(desired.mart.kind)) && plain
}

/// A partition that would go without a word once its mart is recorded.
fn too_old<'a>(desired: &DesiredMart, seen: &'a Seen) -> Option<&'a QName> {
    let live = seen.actual.relations.get(&desired.mart.name).filter(|live| seen.chosen.tables.contains(&live.name))?;
    catalog::expired(&desired.mart, live, seen.actual.server.now).first().map(|attached| &attached.name)
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
        message: format!(
            "{} declares it, and the database does not have it: `datamart apply` makes it; where it was dropped for good, remove the file",
            desired.file.display()
        ),
    };
    desired.marts.iter().filter(absent).map(told).collect()
}

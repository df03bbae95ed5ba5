//! Views and materialized views of others that depend on marts: compiled with these, so that what cannot follow is known before
//! anything is built.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::PgConnection;

use super::needed::recorded_for;
use super::scratch::{attempt, attempt_within};
use super::upstream::upstream_first;
use super::{CompileError, Compiled, Following};
use crate::catalog::{Actual, Follower, Relation, RelationKind};
use crate::manifest::{Desired, DesiredMart, QuerySource};
use crate::sql::Query;
use crate::state::{Kind, Mart, Publish, QName, RefreshPolicy};

/// What is to be compiled together.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The manifests.
    pub desired: &'a Desired,
    /// The database.
    pub actual: &'a Actual,
    /// Marts, and what may have to follow them and is none; see `plan::following`.
    pub names: &'a BTreeSet<QName>,
}

/// Compiles what may have to follow together with the marts, and leaves the database as it was. Does nothing where nothing follows.
///
/// # Errors
/// As [`compile`](super::compile), for marts. A follower that PostgreSQL refuses is told in [`Compiled::followers`].
pub async fn follow(
    conn: &mut PgConnection,
    asked: &Asked<'_>,
    compiled: &Compiled,
    lock_timeout_ms: u64,
) -> Result<Compiled, CompileError> {
    let Some((list, followers)) = together(asked) else { return Ok(compiled.clone()) };
    let tried = attempt(conn, &list.iter().collect::<Vec<_>>(), lock_timeout_ms).await?;
    joined(compiled.clone(), tried, followers)
}

/// The same in the caller's transaction, which goes on as if nothing had been made.
///
/// # Errors
/// As [`follow`].
pub async fn follow_within(
    conn: &mut PgConnection,
    asked: &Asked<'_>,
    compiled: &Compiled,
    lock_timeout_ms: u64,
) -> Result<Compiled, CompileError> {
    let Some((list, followers)) = together(asked) else { return Ok(compiled.clone()) };
    let tried = attempt_within(conn, &list.iter().collect::<Vec<_>>(), lock_timeout_ms).await?;
    joined(compiled.clone(), tried, followers)
}

/// The marts and what follows them, each after what it reads; and all followers, among them those that cannot be compiled at all.
/// `None` where nothing is asked for.
fn together(asked: &Asked<'_>) -> Option<(Vec<DesiredMart>, Vec<Following>)> {
    let Asked { desired, actual, names } = *asked;
    if names.is_empty() {
        return None;
    }
    let renames: Vec<(&QName, &QName)> = desired
        .marts
        .iter()
        .filter_map(|desired| Some((&recorded_for(&desired.mart, actual)?.mart.name, &desired.mart.name)))
        .filter(|(old, new)| old != new)
        .collect();
    let mut above = upstream_of_followers(actual, names, &renames);
    let mut followers = Vec::new();
    let mut list: Vec<DesiredMart> = Vec::new();
    for mart in desired.marts.iter().filter(|desired| names.contains(&desired.mart.name)) {
        let mut mart = mart.clone();
        let read = followers_read(&mart, actual);
        mart.upstream.extend(read.filter(|name| names.contains(name)));
        list.push(mart);
    }
    for (name, follower) in actual.followers.iter().filter(|(name, _)| names.contains(*name)) {
        let Some(relation) = actual.relations.get(name) else { continue };
        let upstream = above.remove(name).unwrap_or_default();
        let (desired, lost) = declared(relation, follower, upstream, &renames);
        // Text of others runs with their rights, or not at all: the plan asks for the right to act as its owner.
        match lost.is_some() || !follower.assumable {
            true => followers.push(Following { desired, compiled: None, lost, denied: None }),
            false => list.push(desired),
        }
    }
    // What would read itself is left out, one follower after the other, until there is an order.
    loop {
        let name = |desired: &DesiredMart| desired.mart.name.clone();
        let (order, circle) = upstream_first(&list, name, |desired| desired.upstream.iter().cloned().collect());
        let lost = circle.into_iter().find(|at| actual.followers.contains_key(&list[*at].mart.name));
        match lost {
            Some(at) => {
                let why = "a mart that it reads is to read it".to_owned();
                followers.push(Following { desired: list.remove(at), compiled: None, lost: Some(why), denied: None });
            }
            None => {
                let list: Vec<DesiredMart> = order.into_iter().map(|at| list[at].clone()).collect();
                let known = list.iter().filter(|desired| actual.followers.contains_key(&desired.mart.name));
                followers.extend(known.map(|desired| Following {
                    desired: desired.clone(),
                    compiled: None,
                    lost: None,
                    denied: None,
                }));
                return Some((list, followers));
            }
        }
    }
}

/// What each follower depends on directly among marts and followers, under the names that marts are to have.
fn upstream_of_followers(
    actual: &Actual,
    names: &BTreeSet<QName>,
    renames: &[(&QName, &QName)],
) -> BTreeMap<QName, BTreeSet<QName>> {
    let mut above: BTreeMap<QName, BTreeSet<QName>> = BTreeMap::new();
    for relation in actual.relations.values() {
        for dependent in relation.dependents.iter().filter_map(|d| d.relation.as_ref()) {
            if actual.followers.contains_key(dependent) && names.contains(dependent) {
                let name = renamed(&relation.name, renames).unwrap_or(&relation.name);
                above.entry(dependent.clone()).or_default().insert(name.clone());
            }
        }
    }
    above
}

fn renamed<'a>(name: &QName, renames: &[(&'a QName, &'a QName)]) -> Option<&'a QName> {
    renames.iter().find(|(old, _)| *old == name).map(|(_, new)| *new)
}

/// The followers that a mart's query names.
fn followers_read<'a>(desired: &DesiredMart, actual: &'a Actual) -> impl Iterator<Item = QName> + use<'a> {
    let path = desired.mart.search_path.clone();
    let reads = desired.reads.clone();
    reads.into_iter().filter_map(move |read| {
        let name = match &read.schema {
            Some(schema) => QName::new(schema, &read.name),
            None => {
                let mut names = path.iter().map(|schema| QName::new(schema, &read.name));
                names.find(|name| actual.relations.contains_key(name))?
            }
        };
        actual.followers.contains_key(&name).then_some(name)
    })
}

/// A follower as if it were declared: its own definition, owner and options. What is not said is carried over like everything that no
/// manifest says. Or why its definition cannot be pointed elsewhere.
fn declared(
    relation: &Relation,
    follower: &Follower,
    upstream: BTreeSet<QName>,
    renames: &[(&QName, &QName)],
) -> (DesiredMart, Option<String>) {
    let kind = if relation.kind == RelationKind::View { Kind::View } else { Kind::MaterializedView };
    let text = relation.definition.as_deref().unwrap_or_default().trim().trim_end_matches(';');
    let (query, reads, refused) = match Query::parse(text) {
        Ok(query) => {
            let text = query.rewrite(|reference| {
                let name = QName::new(reference.schema.as_ref()?, &reference.name);
                renamed(&name, renames).cloned()
            });
            (text, query.relations, None)
        }
        Err(error) => (text.to_owned(), Vec::new(), Some(error.message)),
    };
    let desired = DesiredMart {
        mart: mart(relation, kind, query, follower),
        file: Default::default(),
        path: String::new(),
        text: "".into(),
        reads,
        upstream,
        origins: BTreeMap::new(),
        part: None,
        view: None,
        query_source: QuerySource { file: Default::default(), start: 0, offsets: None, text: "".into() },
    };
    (desired, refused.map(|why| format!("its definition cannot be pointed elsewhere: {why}")))
}

fn mart(relation: &Relation, kind: Kind, query: String, follower: &Follower) -> Mart {
    // Its own words name every relation with its schema; the path is for the bodies of functions.
    let mut search_path = vec![relation.name.schema.clone()];
    if relation.name.schema != "public" {
        search_path.push("public".to_owned());
    }
    let theirs = follower.declared.as_ref().map(|(_, mart)| mart);
    Mart {
        name: relation.name.clone(),
        kind,
        query,
        search_path: theirs.map_or(search_path, |mart| mart.search_path.clone()),
        timezone: theirs.map_or_else(|| follower.timezone.clone(), |mart| mart.timezone.clone()),
        description: None,
        tags: Vec::new(),
        owner: Some(relation.owner.clone()),
        renamed_from: Vec::new(),
        depends_on: Vec::new(),
        prevent_destroy: false,
        primary_key: Vec::new(),
        publish: Publish::default(),
        tablespace: relation.tablespace.clone(),
        with: relation.options.clone(),
        session: theirs.map(|mart| mart.session.clone()).unwrap_or_default(),
        columns: BTreeMap::new(),
        indexes: Vec::new(),
        grants: None,
        versions: None,
        retention: None,
        partition: None,
        refresh: RefreshPolicy::default(),
        freshness: None,
        checks: Vec::new(),
        metadata: serde_json::Map::new(),
    }
}

/// What was compiled before, with what follows.
fn joined(
    mut compiled: Compiled,
    tried: super::Tried,
    mut followers: Vec<Following>,
) -> Result<Compiled, CompileError> {
    let names: BTreeSet<QName> = followers.iter().map(|follower| follower.desired.mart.name.clone()).collect();
    let (theirs, ours): (Vec<_>, Vec<_>) = tried.failures.into_iter().partition(|f| names.contains(&f.mart));
    if !ours.is_empty() {
        let skipped = tried.skipped.into_iter().filter(|name| !names.contains(name)).collect();
        return Err(CompileError::Refused { failures: ours, skipped });
    }
    for failure in theirs {
        let lost = followers.iter_mut().find(|follower| follower.desired.mart.name == failure.mart);
        let why = Some(failure.error.message.clone());
        match lost {
            Some(follower) if failure.error.is("42501") => follower.denied = why,
            Some(follower) => follower.lost = why,
            None => {}
        }
    }
    // What reads a lost one is lost with it: they stand in order, but for those that never had one.
    let mut gone: BTreeSet<QName> = BTreeSet::new();
    loop {
        let before = gone.len();
        for follower in &mut followers {
            let through = follower.desired.upstream.iter().find(|up| gone.contains(*up));
            if let (None, Some(up)) = (&follower.lost, through) {
                follower.lost = Some(format!("it reads {up}, which cannot follow"));
            }
            if follower.lost.is_some() {
                gone.insert(follower.desired.mart.name.clone());
            }
        }
        if gone.len() == before {
            break;
        }
    }
    // A version that is one no more has the name that its mart's newest was compiled under: they stand apart.
    let mut tried = tried.compiled.marts;
    for follower in &mut followers {
        let name = &follower.desired.mart.name;
        follower.compiled = tried.remove(name).filter(|_| !gone.contains(name));
    }
    compiled.marts.extend(tried);
    compiled.followers = followers;
    Ok(compiled)
}

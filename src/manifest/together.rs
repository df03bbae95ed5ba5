//! What marts are to each other: equal names, references, order.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use super::among::{error, find};
use super::declare::Declared;
use super::names::{object_name, qualified};
use super::nearest::nearest;
use super::{DesiredMart, Problem, Project, Severity, order};
use crate::state::{QName, next_name};

/// Checks the marts against each other, finds what each reads, and puts them in order.
pub(super) fn join(mut declared: Vec<Declared>, project: &Project, problems: &mut Vec<Problem>) -> Vec<DesiredMart> {
    let known = by_name(&declared, problems);
    names(&declared, problems);
    registry(&declared, project, problems);
    renames(&declared, &known, problems);
    for i in 0..declared.len() {
        let upstream = upstream(&declared, i, &known, problems);
        declared[i].desired.upstream = upstream;
    }
    order::cycles(&declared, &known, problems);
    order::sort(declared)
}

fn file(mart: &Declared) -> String {
    mart.desired.file.display().to_string()
}

/// The marts by name; a second one of the same name is a problem.
fn by_name(declared: &[Declared], problems: &mut Vec<Problem>) -> HashMap<QName, usize> {
    let mut known: HashMap<QName, usize> = HashMap::with_capacity(declared.len());
    for (i, mart) in declared.iter().enumerate() {
        let name = &mart.desired.mart.name;
        match known.get(name) {
            Some(first) => problems.push(error(
                mart,
                mart.spans.name.clone(),
                "name",
                format!("the mart {name} is declared twice"),
                format!("it is declared in {}, too; rename one of them", file(&declared[*first])),
            )),
            None => {
                known.insert(name.clone(), i);
            }
        }
    }
    known
}

/// What takes a name in a schema: relations and indexes share one space.
struct Claim {
    mart: usize,
    what: String,
}

fn names(declared: &[Declared], problems: &mut Vec<Problem>) {
    let mut claims: HashMap<QName, Claim> = HashMap::with_capacity(declared.len() * 3);
    for (i, mart) in declared.iter().enumerate() {
        let name = &mart.desired.mart.name;
        let what = format!("the mart {name}");
        claims.entry(name.clone()).or_insert(Claim { mart: i, what });
    }
    for (i, mart) in declared.iter().enumerate() {
        let decl = &mart.desired.mart;
        // A second one of a name is told as such.
        if claims.get(&decl.name).is_some_and(|own| own.mart != i) {
            continue;
        }
        if decl.kind.has_data() {
            let next = decl.name.sibling(next_name(&decl.name.name));
            if let Some(claim) = claims.get(&next) {
                let other = &declared[claim.mart];
                problems.push(error(
                    other,
                    other.spans.name.clone(),
                    "name",
                    format!("the name {:?} is what the mart {} is built under", next.name, decl.name),
                    format!("{} is declared in {}; choose another name", decl.name, file(mart)),
                ));
            } else {
                let what = format!("the relation the mart {} is built under", decl.name);
                claims.insert(next, Claim { mart: i, what });
            }
        }
        for (index, span) in decl.indexes.iter().zip(&mart.spans.indexes) {
            let given = mart.text.get(span.clone()).is_some_and(|t| !t.starts_with(['[', '{']));
            let help = if given { "choose another name for the index" } else { "give the index a `name` of its own" };
            let name = decl.name.sibling(index.name.as_str());
            let what = format!("the index {:?} of {}", index.name, decl.name);
            claim(declared, &mut claims, name, i, what, ("indexes", span.clone()), help, problems);
        }
        if !decl.primary_key.is_empty() {
            let name = decl.name.sibling(object_name(&decl.name.name, "", "pkey"));
            let what = format!("the primary key {:?} of {}", name.name, decl.name);
            let place = ("primary_key", mart.spans.primary_key.clone());
            let help = "choose another name for the other one";
            claim(declared, &mut claims, name, i, what, place, help, problems);
        }
        // Partitions of a versioned mart are named after its versions.
        let partition = decl.partition.as_ref().filter(|_| decl.versions.is_none());
        for piece in partition.map(|partition| partition.fixed(&decl.name)).unwrap_or_default() {
            let what = format!("the partition {:?} of {}", piece.name.name, decl.name);
            let place = ("partition", mart.spans.partition.clone());
            let help = "choose another name for the other one";
            claim(declared, &mut claims, piece.name, i, what, place, help, problems);
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "one claim: whose, what, where, and against which others")]
fn claim(
    declared: &[Declared],
    claims: &mut HashMap<QName, Claim>,
    name: QName,
    mart: usize,
    what: String,
    (key, span): (&str, Range<usize>),
    help: &str,
    problems: &mut Vec<Problem>,
) {
    match claims.get(&name) {
        // Two of one mart are told about where the mart is read.
        Some(other) if other.mart == mart && other.what == what => {}
        Some(other) => problems.push(error(
            &declared[mart],
            span,
            key,
            format!("{what} has the same name as {}", other.what),
            format!("{help} ({})", file(&declared[other.mart])),
        )),
        None => {
            claims.insert(name, Claim { mart, what });
        }
    }
}

fn registry(declared: &[Declared], project: &Project, problems: &mut Vec<Problem>) {
    for mart in declared {
        let schema = &mart.desired.mart.name.schema;
        if *schema == project.registry_schema {
            problems.push(error(
                mart,
                mart.spans.schema.clone(),
                "schema",
                format!("the schema {schema:?} is datamart's own"),
                "choose another schema, or set `registry_schema` in project.toml".to_owned(),
            ));
        }
    }
}

/// Whether a mart has its name from a rename, so that another may have had it before: names swap, or move along a chain.
/// Which of the two a relation belongs to is told by the registry.
fn moves_on(mart: &Declared) -> bool {
    let name = &mart.desired.mart.name;
    mart.desired.mart.renamed_from.iter().any(|old| old != name)
}

fn renames(declared: &[Declared], known: &HashMap<QName, usize>, problems: &mut Vec<Problem>) {
    let mut claimed: HashMap<&QName, usize> = HashMap::new();
    for (i, mart) in declared.iter().enumerate() {
        for (old, span) in mart.desired.mart.renamed_from.iter().zip(&mart.spans.renamed_from) {
            let problem = if *old == mart.desired.mart.name {
                Some(("this is the mart's own name".to_owned(), "remove it".to_owned()))
            } else if let Some(other) = known.get(old).filter(|other| !moves_on(&declared[**other])) {
                let help = format!("it is declared in {}; remove one of them", file(&declared[*other]));
                Some((format!("{old} is still a mart"), help))
            } else if let Some(other) = claimed.insert(old, i) {
                let help = format!("keep it in one of them: {}", file(&declared[other]));
                Some((format!("two marts were renamed from {old}"), help))
            } else {
                None
            };
            if let Some((message, help)) = problem {
                problems.push(error(mart, span.clone(), "renamed_from", message, help));
            }
        }
    }
}

/// The marts that a mart reads or names in `depends_on`; it is in it itself if it reads itself.
fn upstream(
    declared: &[Declared],
    i: usize,
    known: &HashMap<QName, usize>,
    problems: &mut Vec<Problem>,
) -> BTreeSet<QName> {
    let mart = &declared[i];
    let decl = &mart.desired.mart;
    let mut upstream: BTreeSet<QName> = mart
        .desired
        .reads
        .iter()
        .chain(&mart.types)
        .filter_map(|read| find(read.schema.as_deref(), &read.name, &decl.search_path, known))
        .collect();
    for (text, span) in decl.depends_on.iter().zip(&mart.spans.depends_on) {
        let name = qualified(text, "");
        let schema = (!name.schema.is_empty()).then_some(name.schema.as_str());
        // A name with a dot in it may be meant as it stands.
        let found =
            find(schema, &name.name, &decl.search_path, known).or_else(|| find(None, text, &decl.search_path, known));
        match found {
            Some(found) if found == decl.name => problems.push(error(
                mart,
                span.clone(),
                "depends_on",
                "a mart cannot depend on itself".to_owned(),
                "remove it".to_owned(),
            )),
            Some(found) => {
                upstream.insert(found);
            }
            // It may be a table. One that is called nearly as a mart is most likely that mart.
            None => {
                let others = known.keys().filter(|name| **name != decl.name);
                let near = nearest(&name.name, others.map(|name| name.name.as_str()));
                problems.extend(near.map(|near| {
                    let message = format!("`depends_on` names {text:?}, and no mart is called so");
                    Problem {
                        severity: Severity::Warning,
                        ..error(mart, span.clone(), "depends_on", message, format!("did you mean {near:?}?"))
                    }
                }));
            }
        }
    }
    upstream
}

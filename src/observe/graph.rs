//! Who reads what: marts and their sources as nodes, direct reads as edges. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Serialize;

use super::ages::Freshness;
use super::mart::{Condition, MartStatus};
use super::reading::{Names, Spot};
use crate::catalog::Actual;
use crate::compile;
use crate::manifest::Desired;
use crate::state::{Mart, QName, format_duration};

/// What a node is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// Only read.
    Source,
    /// Declared, or known to the registry.
    Mart,
}

/// A relation. What is not known, and what sources do not have, is left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GraphNode {
    /// Letters, digits and underscores that only this name has, from run to run.
    pub id: String,
    /// Its own name.
    pub name: String,
    /// Its schema; null where a search path has several and it was found in none.
    pub schema: Option<String>,
    /// Both, quoted where needed.
    pub full_name: String,
    /// Source or mart.
    pub kind: NodeKind,
    /// Storage.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub stored: Option<String>,
    /// The word in its manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_strategy: Option<&'static str>,
    /// Cron expressions and intervals, as written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schedule: Vec<String>,
    /// Never older than this: `15m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_lag: Option<String>,
    /// Not scheduled.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// How a mart is; `missing` for a source that is not in the database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
    /// What its age means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub freshness: Option<Freshness>,
    /// What is true of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Whether its manifest is gone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub orphan: bool,
    /// Its tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Its manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// From what is read to who reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GraphEdge {
    /// The id of what is read.
    pub from: String,
    /// The id of the mart that reads it.
    pub to: String,
    /// Named in `depends_on`, and not seen in the query.
    pub declared: bool,
}

/// Marts, their sources, and who reads whom.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Graph {
    /// By schema and name.
    pub nodes: Vec<GraphNode>,
    /// By their ends.
    pub edges: Vec<GraphEdge>,
}

/// What the database adds to the manifests.
#[derive(Debug, Clone, Copy)]
pub struct Live<'a> {
    /// What is there.
    pub actual: &'a Actual,
    /// How every mart is.
    pub marts: &'a [MartStatus],
}

/// The graph of everything declared and, with the database, of everything applied; linear in what there is.
///
/// What a mart reads is what the server found when it was applied, as long as that is still true; else what its query names.
pub fn graph(desired: &Desired, live: Option<Live<'_>>) -> Graph {
    let names = Names::new(desired, live.map(|live| live.actual));
    let mut draft = Draft::default();
    let changed = live.map(|live| compile::needed(&desired.marts, live.actual));
    for declared in &desired.marts {
        let mart = &declared.mart;
        let named = declared.reads.iter().map(|read| names.find(read.schema.as_deref(), &read.name, &mart.search_path));
        let known = live.filter(|_| changed.as_ref().is_some_and(|changed| !changed.contains(&mart.name)));
        let reads: BTreeSet<Spot> = match known.and_then(|live| compile::recorded_for(mart, live.actual)) {
            // The server keeps no dependency on what comes with it.
            Some(row) => {
                let recorded = row.applied.reads.values().map(|read| Spot::of(&read.name));
                recorded.chain(named.filter(Spot::is_system)).collect()
            }
            None => named.collect(),
        };
        draft.mart(mart, Some(declared.file.display().to_string()), reads, &names);
    }
    for (name, row) in live.iter().flat_map(|live| &live.actual.recorded) {
        if !names.is_declared(name) {
            draft.mart(&row.mart, None, row.applied.reads.values().map(|read| Spot::of(&read.name)).collect(), &names);
        }
    }
    draft.finish(live)
}

impl Graph {
    /// Leaves these marts and what they read.
    pub fn keep(&mut self, marts: &BTreeSet<QName>) {
        let spots: HashSet<Spot> = marts.iter().map(Spot::of).collect();
        let wanted = |node: &&GraphNode| {
            let spot = Spot { schema: node.schema.clone(), name: node.name.clone() };
            node.kind == NodeKind::Mart && spots.contains(&spot)
        };
        let mut kept: HashSet<String> = self.nodes.iter().filter(wanted).map(|node| node.id.clone()).collect();
        self.edges.retain(|edge| kept.contains(&edge.to));
        kept.extend(self.edges.iter().map(|edge| edge.from.clone()));
        self.nodes.retain(|node| kept.contains(&node.id));
    }
}

/// A graph in the making.
#[derive(Default)]
struct Draft {
    nodes: BTreeMap<Spot, GraphNode>,
    /// What is read or depended on, and whether a query reads it.
    read: BTreeMap<Spot, bool>,
    edges: BTreeMap<(String, String), bool>,
}

impl Draft {
    fn mart(&mut self, mart: &Mart, file: Option<String>, reads: BTreeSet<Spot>, names: &Names<'_>) {
        let spot = Spot::of(&mart.name);
        let to = spot.id();
        let said = mart.depends_on.iter().map(|text| names.said(text, &mart.search_path));
        for (from, declared) in reads.into_iter().map(|from| (from, false)).chain(said.map(|from| (from, true))) {
            self.edges.entry((from.id(), to.clone())).or_insert(declared);
            *self.read.entry(from).or_default() |= !declared;
        }
        let refresh = &mart.refresh;
        let node = GraphNode {
            stored: Some(mart.kind.as_str().to_owned()),
            refresh_strategy: Some(refresh.strategy.as_str()),
            schedule: refresh.schedule.clone(),
            target_lag: refresh.target_lag.map(format_duration),
            suspend: refresh.suspend,
            tags: mart.tags.clone(),
            orphan: file.is_none(),
            file,
            ..bare(&spot, NodeKind::Mart)
        };
        self.nodes.insert(spot, node);
    }

    /// With the sources, and with what the database says.
    fn finish(mut self, live: Option<Live<'_>>) -> Graph {
        let relations = live.map(|live| &live.actual.relations);
        for (spot, queried) in self.read {
            // What only `depends_on` names was not looked for.
            let sought = live.is_some() && queried && !spot.is_system();
            let relation = relations.zip(spot.qname()).and_then(|(relations, name)| relations.get(&name));
            self.nodes.entry(spot).or_insert_with_key(|spot| GraphNode {
                stored: relation.map(|relation| relation.kind.label().replace(' ', "_")),
                status: (sought && relation.is_none()).then_some("missing"),
                ..bare(spot, NodeKind::Source)
            });
        }
        let told: HashMap<Spot, &MartStatus> =
            live.iter().flat_map(|live| live.marts).map(|mart| (Spot::of(&mart.id), mart)).collect();
        for (spot, node) in &mut self.nodes {
            if let Some(mart) = told.get(spot) {
                node.status = Some(mart.status.as_str());
                node.freshness = mart.freshness;
                node.conditions = mart.conditions.clone();
            }
        }
        let edge = |((from, to), declared)| GraphEdge { from, to, declared };
        Graph { nodes: self.nodes.into_values().collect(), edges: self.edges.into_iter().map(edge).collect() }
    }
}

/// A node of which only the name is known.
fn bare(spot: &Spot, kind: NodeKind) -> GraphNode {
    GraphNode {
        id: spot.id(),
        name: spot.name.clone(),
        schema: spot.schema.clone(),
        full_name: spot.full_name(),
        kind,
        stored: None,
        refresh_strategy: None,
        schedule: Vec::new(),
        target_lag: None,
        suspend: false,
        status: None,
        freshness: None,
        conditions: Vec::new(),
        orphan: false,
        tags: Vec::new(),
        file: None,
    }
}

//! A graph, drawn: what stands in its boxes, and the forms around it.

use datamart::observe::{Freshness, Graph, GraphNode, NodeKind};
use datamart::state::quote_ident;

use super::super::error::count;
pub use super::graph_dot::dot;
pub use super::graph_mermaid::mermaid;

/// The longest comment a pull request takes, with room for others'.
const COMMENT: usize = 48_000;
/// What Mermaid draws unless its site says otherwise: <https://mermaid.js.org/config/schema-docs/config.html>.
const EDGES: usize = 500;
const CHARACTERS: usize = 50_000;

/// Whether Mermaid draws it without being told to draw more.
pub fn is_drawn(graph: &Graph, drawing: &str) -> bool {
    graph.edges.len() <= EDGES && drawing.len() <= CHARACTERS
}

/// For a pull request's comment.
pub fn markdown(graph: &Graph) -> String {
    let of = |kind| graph.nodes.iter().filter(|node| node.kind == kind).count();
    let title = format!("**{}, {}**", count(of(NodeKind::Mart), "mart"), count(of(NodeKind::Source), "source"));
    let drawing = mermaid(graph);
    if is_drawn(graph, &drawing) && drawing.len() <= COMMENT {
        format!("{title}\n\n```mermaid\n{drawing}```\n")
    } else {
        format!("{title}\n\nToo many for a drawing here; `datamart graph --select` draws some of them.\n")
    }
}

/// Nodes by schema, in order; those of which it is not known come first.
pub(super) fn by_schema(graph: &Graph) -> Vec<(Option<&str>, Vec<&GraphNode>)> {
    let mut groups: Vec<(Option<&str>, Vec<&GraphNode>)> = Vec::new();
    for node in &graph.nodes {
        let schema = node.schema.as_deref();
        match groups.last_mut().filter(|(last, _)| *last == schema) {
            Some((_, nodes)) => nodes.push(node),
            None => groups.push((schema, vec![node])),
        }
    }
    groups
}

/// The part of the nodes' ids that is their schema's.
pub(super) fn schema_id<'a>(nodes: &[&'a GraphNode]) -> Option<&'a str> {
    let (schema, _) = nodes.first()?.id.rsplit_once("__")?;
    schema.strip_prefix("r_")
}

/// What stands in a box, line by line; the schema is left out where it stands around the box.
pub(super) fn lines(node: &GraphNode, grouped: bool) -> Vec<String> {
    let name = if grouped { quote_ident(&node.name) } else { node.full_name.clone() };
    let mut lines = vec![name];
    lines.extend(node.stored.as_ref().map(|word| word.replace('_', " ")));
    lines.extend(refreshed(node));
    lines.extend(how(node));
    lines
}

/// When it is refreshed: `scheduled (0 4 * * *)`.
fn refreshed(node: &GraphNode) -> Option<String> {
    let strategy = node.refresh_strategy.filter(|_| node.stored.as_deref() != Some("view"))?;
    let mut when = node.schedule.join(", ");
    if let Some(lag) = &node.target_lag {
        when.push_str(&format!("at most {lag} old"));
    }
    let suspended = if node.suspend { ", suspended" } else { "" };
    Some(match when.is_empty() {
        true => format!("{strategy}{suspended}"),
        false => format!("{strategy} ({when}){suspended}"),
    })
}

/// How it is: `error (refresh failed), stale`.
fn how(node: &GraphNode) -> Option<String> {
    let status = node.status?;
    let mut text = status.to_owned();
    let wrong = node.conditions.iter().filter(|c| (c.kind == "Ready" && c.status == "False") || c.kind == "Stalled");
    let reasons: Vec<String> = wrong.map(|condition| apart(condition.reason)).collect();
    if !reasons.is_empty() {
        text.push_str(&format!(" ({})", reasons.join(", ")));
    }
    if node.freshness == Some(Freshness::Stale) && status != "stale" {
        text.push_str(", stale");
    }
    if node.orphan {
        text.push_str(", no manifest");
    }
    Some(text)
}

/// `RefreshFailed` in words.
fn apart(reason: &str) -> String {
    let mut text = String::with_capacity(reason.len() + 4);
    for c in reason.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.extend(c.to_lowercase());
    }
    text
}

/// What a node looks like: its word, its fill and its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Look {
    pub word: &'static str,
    pub fill: &'static str,
    pub line: &'static str,
}

/// By kind and status.
pub(super) fn look(node: &GraphNode) -> Look {
    let (word, fill, line) = match (node.kind, node.status) {
        (_, Some("missing")) => ("missing", "#fce8e6", "#d93025"),
        (NodeKind::Source, _) => ("source", "#f1f3f4", "#5f6368"),
        (NodeKind::Mart, Some("active")) => ("active", "#e6f4ea", "#188038"),
        (NodeKind::Mart, Some("refreshing")) => ("refreshing", "#e8f0fe", "#1a73e8"),
        (NodeKind::Mart, Some("stale")) => ("stale", "#fef7e0", "#b06000"),
        (NodeKind::Mart, Some("error")) => ("error", "#fce8e6", "#d93025"),
        (NodeKind::Mart, Some("creating")) => ("creating", "#ffffff", "#5f6368"),
        (NodeKind::Mart, _) => ("mart", "#e8f0fe", "#5f6368"),
    };
    Look { word, fill, line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_words() {
        assert_eq!(["RefreshFailed", "Missing"].map(apart), ["refresh failed", "missing"]);
    }
}

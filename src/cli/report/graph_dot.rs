//! A graph as Graphviz reads it.

use datamart::observe::{Graph, GraphNode, NodeKind};

use super::graph::{by_schema, lines, look, schema_id};

/// A directed graph, schemas as clusters where there are several.
pub fn dot(graph: &Graph) -> String {
    let mut text =
        "digraph datamart {\n  rankdir=LR;\n  node [shape=box, style=filled, fontname=\"sans-serif\"];\n".to_owned();
    let groups = by_schema(graph);
    let several = groups.iter().filter(|(schema, _)| schema.is_some()).count() > 1;
    for (schema, nodes) in groups {
        let around = schema.filter(|_| several);
        if let Some((schema, id)) = around.zip(schema_id(&nodes)) {
            text.push_str(&format!("  subgraph cluster_{id} {{\n    label={};\n", quoted(&[schema])));
        }
        let indent = if around.is_some() { "    " } else { "  " };
        for node in nodes {
            text.push_str(&format!("{indent}{}\n", boxed(node, around.is_some())));
        }
        if around.is_some() {
            text.push_str("  }\n");
        }
    }
    for edge in &graph.edges {
        let style = if edge.declared { " [style=dashed]" } else { "" };
        text.push_str(&format!("  {} -> {}{style};\n", edge.from, edge.to));
    }
    text.push_str("}\n");
    text
}

/// Sources are drums, views have round corners, what holds data is a box.
fn boxed(node: &GraphNode, grouped: bool) -> String {
    let shape = match (node.kind, node.stored.as_deref()) {
        (NodeKind::Source, _) => ", shape=cylinder",
        (NodeKind::Mart, Some("view")) => ", style=\"rounded,filled\"",
        (NodeKind::Mart, _) => "",
    };
    let look = look(node);
    let label = quoted(&lines(node, grouped));
    format!("{} [label={label}{shape}, fillcolor=\"{}\", color=\"{}\"];", node.id, look.fill, look.line)
}

/// Lines in quotes. Within them Graphviz knows backslashes, and the entities of HTML.
/// <https://graphviz.org/doc/info/lang.html#character-encodings>
fn quoted<S: AsRef<str>>(lines: &[S]) -> String {
    let one = |line: &S| -> String {
        let plain: String = line.as_ref().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        plain.replace('\\', "\\\\").replace('"', "\\\"").replace('&', "&amp;")
    };
    format!("\"{}\"", lines.iter().map(one).collect::<Vec<_>>().join("\\n"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn nothing_in_a_name_is_special() {
        assert_eq!(quoted(&["a\"b\\n", "&lt;\n"]), r#""a\"b\\n\n&amp;lt; ""#);
    }
}

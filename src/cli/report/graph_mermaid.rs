//! A graph as Mermaid reads it.

use std::collections::BTreeSet;
use std::fmt::Write;

use datamart::observe::{Graph, GraphNode, NodeKind};

use super::graph::{Look, by_schema, lines, look, schema_id};

/// A flowchart, schemas as boxes around where there are several.
pub fn mermaid(graph: &Graph) -> String {
    let mut text = "flowchart LR\n".to_owned();
    let groups = by_schema(graph);
    let several = groups.iter().filter(|(schema, _)| schema.is_some()).count() > 1;
    for (schema, nodes) in groups {
        let around = schema.filter(|_| several);
        if let Some((schema, id)) = around.zip(schema_id(&nodes)) {
            text.push_str(&format!("  subgraph s_{id}[\"{}\"]\n", escape(schema)));
        }
        let indent = if around.is_some() { "    " } else { "  " };
        for node in nodes {
            text.push_str(&format!("{indent}{}\n", boxed(node, around.is_some())));
        }
        if around.is_some() {
            text.push_str("  end\n");
        }
    }
    for edge in &graph.edges {
        let arrow = if edge.declared { "-.->" } else { "-->" };
        text.push_str(&format!("  {} {arrow} {}\n", edge.from, edge.to));
    }
    let looks: BTreeSet<Look> = graph.nodes.iter().map(look).collect();
    for Look { word, fill, line } in looks {
        text.push_str(&format!("  classDef {word} fill:{fill},stroke:{line},color:#202124\n"));
    }
    text
}

/// Sources are drums, views have round ends, what holds data is a box.
fn boxed(node: &GraphNode, grouped: bool) -> String {
    let (open, close) = match (node.kind, node.stored.as_deref()) {
        (NodeKind::Source, _) => ("[(", ")]"),
        (NodeKind::Mart, Some("view")) => ("([", "])"),
        (NodeKind::Mart, _) => ("[", "]"),
    };
    let label: Vec<String> = lines(node, grouped).iter().map(|line| escape(line)).collect();
    format!("{}{open}\"{}\"{close}:::{}", node.id, label.join("<br/>"), look(node).word)
}

/// All that could mean something to Mermaid, HTML or Markdown as an entity: `#34;`.
/// <https://mermaid.js.org/syntax/flowchart.html#entity-codes-to-escape-characters>
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.chars() {
        match c {
            c if c.is_control() => escaped.push(' '),
            c if c.is_alphanumeric() || " .,-()/".contains(c) => escaped.push(c),
            // At the beginning of a word it would be Markdown.
            '_' if before.is_alphanumeric() => escaped.push(c),
            // Writing to a String does not fail.
            c => {
                let _ = write!(escaped, "#{};", u32::from(c));
            }
        }
        before = c;
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_in_a_name_is_special() {
        assert_eq!(escape("Sales 2024, größe (x_y-z)"), "Sales 2024, größe (x_y-z)");
        assert_eq!(escape("_a_b__"), "#95;a_b_#95;");
        assert_eq!(escape("\"a|b]`c#<\n\u{1f600}"), "#34;a#124;b#93;#96;c#35;#60; #128512;");
    }
}

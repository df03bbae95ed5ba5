//! What `--select` stands for, and what is told of it.

use std::collections::BTreeSet;

use datamart::state::selector::Node;
use datamart::state::{QName, Selector};

use super::error::{CommandError, Result};
use super::print::{self, Style};

/// The marts among `nodes` that a selector stands for. That there are none is no error, and told: in a script it may be a typo; that
/// none is in a state is what one hopes for.
///
/// # Errors
/// An atom nothing matches.
pub fn selected(
    selector: &Selector,
    text: &str,
    nodes: &[Node],
    schema: &str,
    style: Style,
) -> Result<BTreeSet<QName>> {
    let selected = selector.select(nodes, schema).map_err(not_selected)?;
    let unknown = selector.unknown_tags(nodes);
    unknown.iter().for_each(|what| print::note(style, &format!("warning: {what}")));
    if selected.is_empty() && unknown.is_empty() && !selector.needs_states() {
        print::note(style, &format!("No mart is selected by {text}."));
    }
    Ok(selected)
}

/// A selector that stands for nothing that could be.
pub fn not_selected(message: String) -> CommandError {
    CommandError::new("selector", message)
}

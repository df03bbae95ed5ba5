//! Which queries can follow what changed in their sources, and how: an analysis of the text that PostgreSQL prints for a query.
//!
//! A column of the result *commutes* when picking rows by it before or after every operator of the query is the same. Rows of other
//! keys then cannot change, and the keys that a change may affect are found by joins alone: aggregates, windows and filters may be
//! left out, because a superset is enough. The query is taken apart into flat joins of tables (`flat`), one for each way that a row
//! may come about, and for each table of each such join the shortest way to the key is a query (`path`).
//!
//! It is an allow-list: what is not known here is an [`Obstacle`].

mod allowed;
mod block;
mod choose;
mod doubt;
mod flat;
mod from;
mod lower;
mod lowering;
mod node;
mod path;
mod place;
mod range;
mod render;
mod scope;
mod settled;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::state::{Changes, QName};

pub use place::{Names, names, place};
pub use render::{Shape, affected, beyond, gathered, moved, ranges, restricted, spanned, up_to, whole};
pub use settled::settled;

/// What the server knows of the things that a query speaks of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// Tables whose changes can be logged.
    pub tables: BTreeMap<QName, Table>,
    /// The canonical texts of views, those that other views read among them.
    pub views: BTreeMap<QName, View>,
    /// Relations whose changes cannot be followed, and why.
    pub others: BTreeMap<QName, String>,
    /// The server's own functions, by name.
    pub functions: BTreeMap<String, Function>,
    /// Functions that somebody made, by name as the text qualifies it.
    pub made: BTreeMap<QName, Function>,
    /// All functions that somebody made, those behind operators among them, and which view uses each; none is the query itself.
    pub behind: Vec<(Option<QName>, Function)>,
    /// Types that can be compared and put into arrays.
    pub keys: BTreeSet<String>,
}

/// A table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Its columns and their types, as `format_type` prints them.
    pub columns: Vec<(String, String)>,
    /// The collations of columns that have another than their type.
    pub collations: BTreeMap<String, String>,
    /// The columns of its unique indexes, the primary key's first.
    pub unique: Vec<Vec<String>>,
}

/// A view.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Its query, as the server prints it.
    pub definition: String,
    /// Its columns and their types.
    pub columns: Vec<(String, String)>,
}

/// A function, or all of one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Function {
    /// `i`, `s` or `v`; of several the one that promises least.
    pub volatility: char,
    /// Gives many rows.
    pub set: bool,
    /// An aggregate.
    pub aggregate: bool,
    /// As `regprocedure` prints them.
    pub signatures: Vec<String>,
}

/// What keeps a query from following changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Obstacle {
    /// What it is about: the words to look for in the user's own text.
    pub clause: Vec<String>,
    /// What, and why.
    pub message: String,
}

impl Obstacle {
    /// An obstacle at these words of the text.
    fn at(clause: &str, message: impl Into<String>) -> Self {
        Self { clause: clause.split_whitespace().map(str::to_owned).collect(), message: message.into() }
    }

    /// The same, found in a view.
    fn of_view(self, view: &QName) -> Self {
        let message = match self.message.contains(" (in the view ") {
            true => self.message,
            false => format!("{} (in the view {view})", self.message),
        };
        Self { clause: vec![view.name.clone()], message }
    }
}

/// What stands for something in templates.
const PLACES: [&str; 4] = ["{delta:", "{all:", "{within:", "{since}"];

/// How the columns and variables begin that logs and the statements around a query add.
const RESERVED: [&str; 2] = ["datamart_", "datamart "];

/// How the rows of a query follow what changes.
///
/// `canonical` is the server's text, `output` its columns with their types, `prefer` columns that tell the mart's rows apart.
///
/// # Errors
/// The clause that stops it.
pub fn derive(
    canonical: &str,
    output: &[(String, String)],
    prefer: &[String],
    known: &Known,
) -> Result<Changes, Obstacle> {
    let text = canonical.trim().trim_end_matches(';');
    // What the text says must not be taken for a place of ours.
    if let Some(word) = PLACES.iter().find(|word| text.contains(*word)) {
        return Err(Obstacle::at(word, format!("the query says `{word}`, which stands for something else here")));
    }
    let root = node::statement(text)?;
    allowed::check(&root, known)?;
    let scope = scope::Scope { main: true, ..scope::Scope::default() };
    let mut lowering = lowering::Lowering::new(known, &root);
    let mut flats = lowering.query(&root, &scope);
    if flats.as_ref().is_err_and(|obstacle| *obstacle == lowering::many()) {
        lowering = lowering::Lowering::new(known, &root);
        lowering.simple = true;
        flats = lowering.query(&root, &scope);
    }
    let flats = flats?;
    if lowering.sources.is_empty() {
        return Err(Obstacle::at("SELECT", "it reads no table"));
    }
    if let Some(hidden) = lowering.unread() {
        return Err(Obstacle::at(&hidden.name, format!("how {hidden} is read is not understood")));
    }
    let used = |view: &Option<QName>| view.as_ref().is_none_or(|view| lowering.views.contains(view));
    let behind: Vec<&Function> = known.behind.iter().filter(|(view, _)| used(view)).map(|(_, f)| f).collect();
    if let Some(function) = behind.iter().find(|function| function.volatility != 'i') {
        let name = function.signatures.join(", ");
        return Err(Obstacle::at(
            "",
            format!("the function {name} is not IMMUTABLE: what it gives may change by itself"),
        ));
    }
    let choice = choose::Choice { flats: &flats, sources: &lowering.sources, output, prefer, known, root: &root, text };
    let mut changes = choice.best()?;
    let logged = changes.sources.iter().flat_map(|source| &source.columns).map(|column| &column.name);
    if let Some(name) = logged
        .chain(output.iter().map(|(name, _)| name))
        .find(|name| RESERVED.iter().any(|start| name.starts_with(start)))
    {
        return Err(Obstacle::at(name, format!("the column {name} begins with `datamart`, as ours beside it do")));
    }
    let texts = lowering.views.iter().filter_map(|view| known.views.get(view)).map(|view| view.definition.as_str());
    let made = texts.chain([text]).flat_map(|text| names(text).made).filter_map(|name| known.made.get(&name));
    changes.doubts = doubt::doubts(&root, output, &lowering.sources, known);
    changes.functions = made.chain(behind).flat_map(|function| function.signatures.clone()).collect();
    changes.views = lowering.views.iter().cloned().collect();
    changes.functions.sort();
    changes.functions.dedup();
    Ok(changes)
}

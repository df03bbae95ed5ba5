//! Which marts a command is about: the selector language.
//!
//! Space is union, comma is intersection. An atom is `name`, `schema.name`, `tag:T`, `path:P`, `schema:S` or `state:S`;
//! `*` and `?` match in bare words, double quotes take a word as it is. `+` before an atom adds what it reads, behind it
//! what reads it; behind a source table's name it stands for what reads that table.

mod parse;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::QName;

/// The words after `state:`.
pub const STATES: [&str; 5] = ["new", "changed", "drifted", "stale", "failed"];

/// A selector, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// A union of intersections.
    groups: Vec<Vec<Atom>>,
}

/// A mart as selectors see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: QName,
    /// Its tags.
    pub tags: Vec<String>,
    /// The path of its manifest below the manifests' folder, with `/`; empty where it has none.
    pub path: String,
    /// What it reads directly: marts and source relations.
    pub upstream: BTreeSet<QName>,
    /// Which of [`STATES`] it is in; empty where nobody asked.
    pub states: BTreeSet<String>,
}

impl Node {
    /// A mart of which only the name matters.
    pub fn named(name: QName) -> Self {
        Self { name, tags: Vec::new(), path: String::new(), upstream: BTreeSet::new(), states: BTreeSet::new() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Atom {
    /// As written.
    text: String,
    what: What,
    upstream: bool,
    downstream: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Name { schema: Option<Word>, name: Word },
    Tag(Word),
    Path(Word),
    Schema(Word),
    State(String),
}

/// A word, and whether it was written in double quotes: then nothing in it is special.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    text: String,
    quoted: bool,
}

impl Word {
    fn is_pattern(&self) -> bool {
        !self.quoted && self.text.contains(['*', '?'])
    }

    fn matches(&self, text: &str) -> bool {
        if self.is_pattern() { glob(&self.text, text) } else { self.text == text }
    }
}

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    /// What is wrong with it, in words for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse::selector(text)
    }

    /// Whether the states of the marts have to be known.
    pub fn needs_states(&self) -> bool {
        self.groups.iter().flatten().any(|atom| matches!(atom.what, What::State(_)))
    }

    /// What it says of tags that no mart has, with the nearest that one has: nothing may be selected by them, and perhaps another was
    /// meant.
    pub fn unknown_tags(&self, nodes: &[Node]) -> Vec<String> {
        let known = || nodes.iter().flat_map(|node| &node.tags).map(String::as_str);
        let mut told = Vec::new();
        for atom in self.groups.iter().flatten() {
            if let What::Tag(word) = &atom.what
                && !known().any(|tag| word.matches(tag))
            {
                told.push(format!("no mart has the tag {}{}", word.text, nearest(&word.text, known())));
            }
        }
        told
    }

    /// The marts it stands for. A name without a schema means the one in `default_schema` where there is one.
    ///
    /// # Errors
    /// An atom that nothing matches, with the nearest name; tags and states may be nobody's.
    pub fn select(&self, nodes: &[Node], default_schema: &str) -> Result<BTreeSet<QName>, String> {
        let graph = Graph { nodes, default_schema };
        let mut selected = BTreeSet::new();
        for group in &self.groups {
            let mut common: Option<BTreeSet<QName>> = None;
            for atom in group {
                let found = graph.atom(atom)?;
                common = Some(match common {
                    Some(so_far) => so_far.intersection(&found).cloned().collect(),
                    None => found,
                });
            }
            selected.extend(common.unwrap_or_default());
        }
        Ok(selected)
    }
}

/// The one mart that `text` names: as a selector would (`sales`, `public.sales`, `"Sales 2024"`), or as it is, for shells
/// take quotes away.
///
/// # Errors
/// No mart of that name, with the nearest; or several, with their schemas.
pub fn find(text: &str, nodes: &[Node], default_schema: &str) -> Result<QName, String> {
    let graph = Graph { nodes, default_schema };
    let verbatim = graph.named(None, &Word { text: text.to_owned(), quoted: true });
    let found = match (verbatim.is_empty(), parse::name(text)) {
        (true, Some((schema, name))) => graph.named(schema.as_ref(), &name),
        _ => verbatim,
    };
    match found.as_slice() {
        [one] => Ok(one.name.clone()),
        [] => Err(format!("no mart is called {text}{}", graph.nearest_name(text))),
        several => {
            let names: Vec<String> = several.iter().map(|node| node.name.to_string()).collect();
            Err(format!("{text} may be {}: say which", names.join(" or ")))
        }
    }
}

/// From a relation to its neighbours.
type Edges<'a> = BTreeMap<&'a QName, Vec<&'a QName>>;

/// What selectors look at.
struct Graph<'a> {
    nodes: &'a [Node],
    default_schema: &'a str,
}

impl<'a> Graph<'a> {
    fn atom(&self, atom: &Atom) -> Result<BTreeSet<QName>, String> {
        let (names, sources) = self.seeds(atom)?;
        let mut selected = names.clone();
        if atom.upstream {
            self.spread(&names, &self.reads(), &mut selected);
        }
        if atom.downstream {
            let seeds: BTreeSet<QName> = names.union(&sources).cloned().collect();
            self.spread(&seeds, &self.readers(), &mut selected);
        }
        Ok(selected)
    }

    /// The marts an atom names, and the source tables, where it names those.
    fn seeds(&self, atom: &Atom) -> Result<(BTreeSet<QName>, BTreeSet<QName>), String> {
        let text = &atom.text;
        let matching = |test: &dyn Fn(&Node) -> bool| -> Vec<&Node> { self.nodes.iter().filter(|n| test(n)).collect() };
        let found = match &atom.what {
            What::Tag(word) => {
                return Ok((names(&matching(&|n| n.tags.iter().any(|t| word.matches(t)))), BTreeSet::new()));
            }
            What::State(word) => return Ok((names(&matching(&|n| n.states.contains(word))), BTreeSet::new())),
            What::Schema(word) => {
                let known = self.nodes.iter().map(|n| n.name.schema.as_str());
                let found = matching(&|n| word.matches(&n.name.schema));
                self.some(found, || format!("no mart is in {text}{}", nearest(&word.text, known)))?
            }
            What::Path(word) => {
                let test = path_test(word)?;
                let folders = self.nodes.iter().flat_map(|n| ancestors(&n.path));
                let found = matching(&|n| ancestors(&n.path).any(&*test));
                self.some(found, || format!("no manifest is at {text}{}", nearest(&word.text, folders)))?
            }
            What::Name { schema, name } => {
                let found = self.named(schema.as_ref(), name);
                if found.is_empty() {
                    return Ok((BTreeSet::new(), self.sources(atom, schema.as_ref(), name)?));
                }
                found
            }
        };
        Ok((names(&found), BTreeSet::new()))
    }

    fn some(&self, found: Vec<&'a Node>, otherwise: impl FnOnce() -> String) -> Result<Vec<&'a Node>, String> {
        if found.is_empty() { Err(otherwise()) } else { Ok(found) }
    }

    fn named(&self, schema: Option<&Word>, name: &Word) -> Vec<&'a Node> {
        let matching = |node: &&Node| {
            name.matches(&node.name.name) && schema.is_none_or(|schema| schema.matches(&node.name.schema))
        };
        let found: Vec<&Node> = self.nodes.iter().filter(matching).collect();
        let at_home = found.iter().find(|node| node.name.schema == self.default_schema);
        match (schema, at_home) {
            (None, Some(node)) if !name.is_pattern() => vec![node],
            _ => found,
        }
    }

    /// Source tables of that name, which only make sense with a `+` behind them.
    fn sources(&self, atom: &Atom, schema: Option<&Word>, name: &Word) -> Result<BTreeSet<QName>, String> {
        let marts: BTreeSet<&QName> = self.nodes.iter().map(|n| &n.name).collect();
        let read = self.nodes.iter().flat_map(|n| &n.upstream).filter(|read| !marts.contains(read));
        let found: BTreeSet<QName> = read
            .filter(|read| name.matches(&read.name) && schema.is_none_or(|schema| schema.matches(&read.schema)))
            .cloned()
            .collect();
        if found.is_empty() {
            return Err(format!("no mart is called {}{}", atom.text, self.nearest_name(&name.text)));
        }
        if !atom.downstream {
            let bare = atom.text.trim_start_matches('+');
            return Err(format!("{bare} is a source table, not a mart; {bare}+ is what reads it"));
        }
        Ok(found)
    }

    /// Adds what is reached from `seeds`, step by step.
    fn spread(&self, seeds: &BTreeSet<QName>, edges: &Edges<'_>, selected: &mut BTreeSet<QName>) {
        let mut queue: Vec<&QName> = seeds.iter().collect();
        let mut seen: BTreeSet<&QName> = seeds.iter().collect();
        while let Some(from) = queue.pop() {
            for next in edges.get(from).into_iter().flatten() {
                if seen.insert(next) {
                    queue.push(next);
                    selected.insert((*next).clone());
                }
            }
        }
    }

    /// What each mart reads, as far as it is marts.
    fn reads(&self) -> Edges<'a> {
        let marts: BTreeSet<&QName> = self.nodes.iter().map(|n| &n.name).collect();
        let reads = |node: &'a Node| node.upstream.iter().filter(|read| marts.contains(read)).collect();
        self.nodes.iter().map(|node| (&node.name, reads(node))).collect()
    }

    /// What reads each relation.
    fn readers(&self) -> Edges<'a> {
        let mut readers = Edges::new();
        for node in self.nodes {
            for read in &node.upstream {
                readers.entry(read).or_default().push(&node.name);
            }
        }
        readers
    }

    fn nearest_name(&self, word: &str) -> String {
        let bare = word.rsplit('.').next().unwrap_or(word);
        nearest(bare, self.nodes.iter().map(|node| node.name.name.as_str()))
    }
}

fn names(nodes: &[&Node]) -> BTreeSet<QName> {
    nodes.iter().map(|node| node.name.clone()).collect()
}

/// A path and the folders above it: `a/b/c.toml`, `a/b`, `a`.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors((!path.is_empty()).then_some(path), |path| path.rsplit_once('/').map(|(folder, _)| folder))
}

type PathTest = Box<dyn Fn(&str) -> bool>;

fn path_test(word: &Word) -> Result<PathTest, String> {
    let wanted = word.text.trim_start_matches("./").trim_end_matches('/').to_owned();
    if word.quoted || !wanted.contains(['*', '?', '[', '{']) {
        return Ok(Box::new(move |path| path == wanted));
    }
    let pattern = globset::GlobBuilder::new(&wanted).literal_separator(true).build();
    let pattern = pattern.map_err(|error| format!("path:{} is no pattern: {}", word.text, error.kind()))?;
    let matcher = pattern.compile_matcher();
    Ok(Box::new(move |path| matcher.is_match(path)))
}

/// `; did you mean …?`, where something is near.
fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let limit = 1 + word.chars().count() / 3;
    known
        .map(|candidate| (strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map_or_else(String::new, |(_, candidate)| format!("; did you mean {candidate}?"))
}

/// `*` is any text, `?` one character.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

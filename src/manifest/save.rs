//! Writing manifests: a new one, or what has to change in one that people wrote.
//!
//! Only keys whose value differs are touched. Everything else keeps its place, its spelling and its comments.

mod draft;
mod edit;
mod entries;
mod grants;
mod home;
mod indexes;
mod list;
mod pin;
mod query;
mod refresh;
mod text;
mod write;

use std::path::Path;

use toml_edit::{DocumentMut, InlineTable, Item, Table, Value};

use super::declare::stem;
use super::{Desired, DesiredMart, ManifestError};
use crate::state::{Kind, Mart};
use edit::{put, remove};
use home::Home;
use text::{scalar, string};

pub use draft::draft;
pub use pin::pin;
pub use write::{queries, write};

/// One file below the manifests' folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileText {
    /// The path below the folder, with `/`.
    pub path: String,
    /// All of it, with `\n` at the ends of its lines.
    pub text: String,
    /// What has to stand there when it is written, as it was loaded; `None`: nothing.
    pub before: Option<String>,
}

impl FileText {
    /// A file that is not there yet.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into(), before: None }
    }
}

/// The files of a mart that has no manifest yet: the manifest at `path` (below the folder, with `/`), and a `.sql` beside
/// it for a query of more than 20 lines or 4,000 bytes. `desired` gives the project's defaults, which are not said again.
///
/// Manifests say nothing of a view's time zone: that is the project's.
pub fn create(mart: &Mart, path: &str, desired: &Desired) -> Vec<FileText> {
    let mut edit = Edit { document: DocumentMut::new(), path, old: None, new: mart, desired };
    let query = query::create(&mut edit.document, &mart.query, path);
    edit.everything();
    let manifest = FileText::new(path, edit.document.to_string());
    std::iter::once(manifest).chain(query).collect()
}

/// The files that have to change so that the manifest says `new` instead of what `old` says. Empty: none.
///
/// Looked at are type, name, schema, description, query, owner, tablespace, options, session, columns, indexes, grants and,
/// of the refresh policy, strategy, schedule, time zone, concurrency and what belongs to one strategy. The order of indexes and grants is the file's,
/// those that are new come last. A query whose file is another mart's too moves out of it.
///
/// # Errors
/// [`ManifestError::Changed`] where the manifest's text is not what `old` was read from.
pub fn revise(old: &DesiredMart, new: &Mart, desired: &Desired) -> Result<Vec<FileText>, ManifestError> {
    let changed = || ManifestError::Changed { path: old.file.clone() };
    let document: DocumentMut = old.text.parse().map_err(|_| changed())?;
    let count = |key, item: Option<&Item>| entries::count(item) == key;
    let grants = old.mart.grants.as_ref().map_or(0, Vec::len);
    if !count(old.mart.indexes.len(), document.get("indexes")) || !count(grants, document.get("grants")) {
        return Err(changed());
    }
    let before = document.to_string();
    let mut edit = Edit { document, path: &old.path, old: Some(&old.mart), new, desired };
    let sql =
        if old.mart.query == new.query { None } else { query::revise(&mut edit.document, old, &new.query, desired) };
    edit.everything();
    let after = edit.document.to_string();
    let manifest =
        (before != after).then(|| FileText { path: old.path.clone(), text: after, before: Some(old.text.to_string()) });
    Ok(manifest.into_iter().chain(sql).collect())
}

/// A `project.toml` with what differs from the defaults.
pub fn project(owner: Option<&str>, timezone: Option<&str>) -> String {
    let mut document = DocumentMut::new();
    let mut section = Table::new();
    for (key, value) in [("owner", owner), ("timezone", timezone)] {
        if let Some(value) = value {
            section.insert(key, string(value).into());
        }
    }
    document.insert("project", section.into());
    document.to_string()
}

/// A manifest in work.
struct Edit<'a> {
    document: DocumentMut,
    /// The manifest's path below the folder.
    path: &'a str,
    /// What it says, if it is not new.
    old: Option<&'a Mart>,
    new: &'a Mart,
    desired: &'a Desired,
}

impl Edit<'_> {
    /// Everything but the query.
    fn everything(&mut self) {
        let new = self.new;
        if self.differs(|m| &m.kind) {
            put(&mut self.document, "type", string(new.kind.as_str()));
        }
        if self.differs(|m| &m.name.name) {
            let own = (stem(self.path) != new.name.name).then_some(&new.name.name);
            self.text("name", own);
        }
        if self.differs(|m| &m.name.schema) {
            let own = (self.desired.project.schema != new.name.schema).then_some(&new.name.schema);
            self.text("schema", own);
        }
        if self.differs(|m| &m.description) {
            self.text("description", new.description.as_ref());
        }
        if self.differs(|m| &m.owner) {
            let own = new.owner.as_ref().filter(|owner| self.desired.project.owner.as_ref() != Some(owner));
            self.text("owner", own);
        }
        if self.differs(|m| &m.tablespace) {
            self.text("tablespace", new.tablespace.as_ref());
        }
        self.scalars("with", |m| &m.with);
        self.scalars("session", |m| &m.session);
        self.columns();
        if new.kind == Kind::View {
            for key in ["refresh", "indexes", "primary_key", "publish", "tablespace"] {
                remove(&mut self.document, key);
            }
        } else {
            self.refresh();
            let old = self.old.map_or(&[][..], |old| &old.indexes);
            indexes::revise(&mut self.document, &new.name.name, old, &new.indexes);
        }
        grants::revise(&mut self.document, self.old.and_then(|old| old.grants.as_deref()), new.grants.as_deref());
    }

    /// Whether a value is not what the manifest says already.
    fn differs<T: PartialEq>(&self, of: fn(&Mart) -> &T) -> bool {
        self.old.is_none_or(|old| of(old) != of(self.new))
    }

    /// A key with a string, or without.
    fn text(&mut self, key: &str, text: Option<&String>) {
        match text {
            Some(text) => put(&mut self.document, key, string(text)),
            None => remove(&mut self.document, key),
        }
    }

    /// A table of parameters: those that differ.
    fn scalars(&mut self, key: &'static str, of: fn(&Mart) -> &std::collections::BTreeMap<String, String>) {
        let new = of(self.new);
        let old = self.old.map(of).cloned().unwrap_or_default();
        if old == *new {
            return;
        }
        match self.document.get_mut(key).and_then(Home::of) {
            Some(mut home) => home.scalars(&old, new),
            None => {
                put(&mut self.document, key, InlineTable::from_iter(new.iter().map(|(k, v)| (k, scalar(v)))).into())
            }
        }
        if new.is_empty() {
            remove(&mut self.document, key);
        }
    }

    fn columns(&mut self) {
        let new = &self.new.columns;
        let old = self.old.map(|old| old.columns.clone()).unwrap_or_default();
        if old == *new {
            return;
        }
        if !self.document.contains_key("columns") {
            self.document.insert("columns", Table::new().into());
        }
        let Some(mut home) = self.document.get_mut("columns").and_then(Home::of) else {
            return;
        };
        for name in old.keys().filter(|name| !new.contains_key(*name)) {
            home.remove(name);
        }
        for (name, column) in new.iter().filter(|(name, column)| old.get(*name) != Some(column)) {
            if home.child(name).is_none() {
                home.set(name, InlineTable::new().into());
            }
            if let Some(mut home) = home.child(name) {
                home.set_or_remove("description", column.description.as_deref().map(string));
                home.set_or_remove("not_null", column.not_null.then(|| true.into()));
            }
        }
        if new.is_empty() {
            remove(&mut self.document, "columns");
        }
    }

    fn refresh(&mut self) {
        let (new, policy) = (self.new, &self.new.refresh);
        let (project, defaults) = (&self.desired.project, &self.desired.defaults);
        let untold = defaults.policy(None);
        let inherited = defaults.policy(Some(policy.strategy));
        let timezone = defaults.project.timezone.as_ref().unwrap_or(&project.timezone);
        let mut changes: Vec<(&str, Option<Value>)> = Vec::new();
        if self.differs(|m| &m.refresh.strategy) {
            let own = policy.strategy != untold.strategy;
            changes.push(("strategy", own.then(|| string(policy.strategy.as_str()))));
        }
        if self.differs(|m| &m.refresh.schedule) {
            let own = policy.schedule != inherited.schedule && !policy.schedule.is_empty();
            changes.push(("schedule", own.then(|| text::one_or_many(&policy.schedule))));
        }
        if self.differs(|m| &m.timezone) {
            let own = new.timezone != *timezone;
            changes.push(("timezone", own.then(|| string(&new.timezone))));
        }
        if self.differs(|m| &m.refresh.concurrent) {
            let own = policy.concurrent.filter(|_| policy.concurrent != untold.concurrent);
            changes.push(("concurrent", own.map(Value::from)));
        }
        changes.extend(refresh::changes(self.old.map(|old| &old.refresh), policy, &inherited));
        if !self.document.contains_key("refresh") {
            if changes.iter().all(|(_, value)| value.is_none()) {
                return;
            }
            self.document.insert("refresh", Table::new().into());
        }
        let Some(mut home) = self.document.get_mut("refresh").and_then(Home::of) else {
            return;
        };
        let emptied = !changes.is_empty();
        for (key, value) in changes {
            home.set_or_remove(key, value);
        }
        if emptied && home.is_empty() {
            remove(&mut self.document, "refresh");
        }
    }
}

/// A file's name without its folder and ending, and that folder with its `/`.
fn apart(path: &str) -> (&str, &str) {
    let at = path.rfind('/').map_or(0, |at| at + 1);
    let (folder, file) = path.split_at(at);
    (folder, Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or(file))
}

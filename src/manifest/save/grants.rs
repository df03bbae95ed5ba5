//! `[[grants]]`.

use toml_edit::{Array, DocumentMut};

use super::edit::{put, remove};
use super::entries::{Alike, edit, matched};
use super::text::{string, strings};
use crate::state::GrantDecl;

/// A role whose name would be taken for PUBLIC, or for a name in quotes, stands in quotes.
fn role(name: &str) -> String {
    let mistaken = name.starts_with('"') || (name.eq_ignore_ascii_case("public") && name != "public");
    if mistaken { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.to_owned() }
}

/// Makes the file say `new`; `None` is no word about grants, an empty list "nobody but the owner".
pub(super) fn revise(document: &mut DocumentMut, old: Option<&[GrantDecl]>, new: Option<&[GrantDecl]>) {
    let Some(new) = new else {
        return remove(document, "grants");
    };
    let before = old.unwrap_or_default();
    let alike: [Alike<GrantDecl>; 2] = [
        |a, b| (&a.role, &a.columns, a.grant_option) == (&b.role, &b.columns, b.grant_option),
        |a, b| (&a.role, &a.privileges) == (&b.role, &b.privileges),
    ];
    if new.is_empty() {
        if !(old.is_some() && before.is_empty()) {
            remove(document, "grants");
            put(document, "grants", Array::new().into());
        }
        return;
    }
    let found = matched(before, new, &alike);
    edit(document, "grants", &found, |home, i, place| {
        let grant = found.entries[i].1;
        let old = place.map(|place| &before[place]);
        if old.is_none() {
            home.set("role", string(&role(&grant.role)));
        }
        if old.is_none_or(|old| old.privileges != grant.privileges) {
            home.set("privileges", strings(&grant.privileges));
        }
        if old.is_none_or(|old| old.columns != grant.columns) {
            home.set_or_remove("columns", (!grant.columns.is_empty()).then(|| strings(&grant.columns)));
        }
        if old.is_none_or(|old| old.grant_option != grant.grant_option) {
            home.set_or_remove("grant_option", grant.grant_option.then(|| true.into()));
        }
    });
}

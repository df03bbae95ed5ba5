//! The version that a manifest pins, written into its file.

use toml_edit::{DocumentMut, Item, Table};

use super::FileText;
use super::home::Home;
use crate::manifest::{DesiredMart, ManifestError};

/// The file of a mart with `versions.pin` set, or taken out; everything else in it stays as it is.
///
/// # Errors
/// [`ManifestError::Changed`] where the text is not the TOML that was loaded.
pub fn pin(old: &DesiredMart, number: Option<u32>) -> Result<Vec<FileText>, ManifestError> {
    let changed = || ManifestError::Changed { path: old.file.clone() };
    let mut document: DocumentMut = old.text.parse().map_err(|_| changed())?;
    let item = document.entry("versions").or_insert_with(|| Item::Table(Table::new()));
    let mut versions = Home::of(item).ok_or_else(changed)?;
    versions.set_or_remove("pin", number.map(|number| i64::from(number).into()));
    let mut text = document.to_string();
    if !old.text.ends_with('\n') && text.ends_with('\n') {
        text.pop();
    }
    if text == *old.text {
        return Ok(Vec::new());
    }
    Ok(vec![FileText { path: old.path.clone(), text, before: Some(old.text.to_string()) }])
}

//! What a plan says about logs, and its steps.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::catalog::{Actual, Trigger};
use crate::manifest::Desired;
use crate::plan::log::{attach_log, create_log};
use crate::plan::{Action, Change, Drift, Step, drift};
use crate::state::{ChangeLog, Kind, Mart, QName, quote_ident};

pub(super) fn change(table: &QName, reason: &str, before: &str, after: &str) -> Change {
    Change {
        address: table.to_string(),
        kind: Kind::Table,
        action: Action::Update,
        reason: reason.to_owned(),
        before: Value::Null,
        after: Value::Null,
        diff: drift::unified(before, after, "capture (now)", "capture (new)"),
        hazards: Vec::new(),
        file: None,
        origins: BTreeMap::new(),
    }
}

/// The triggers on a table are not as they were made.
pub(super) fn drifted(mart: Option<&Mart>, log: &ChangeLog, table: &QName, is: Trigger) -> Option<Drift> {
    let (what, actual) = match is {
        Trigger::Missing => ("are missing", None),
        Trigger::Other => ("were changed", Some("other triggers of these names")),
        Trigger::Ordinary => ("do not fire for what replication writes", Some("triggers that do not always fire")),
        Trigger::Works | Trigger::Disabled => ("were disabled", Some("triggers that do not always fire")),
    };
    let expected = attach_log(log, table).join(";\n");
    let message = format!("the triggers that log changes of {table} {what}");
    item(mart?, log, message, expected, actual)
}

/// The function that they call, or what it writes to, is not as it was made.
pub(super) fn log_drifted(mart: Option<&Mart>, log: &ChangeLog, table: &QName) -> Option<Drift> {
    let expected = create_log(log).join(";\n");
    let message = format!("the log of changes of {table} was changed");
    item(mart?, log, message, expected, Some("another function, or other tables"))
}

fn item(mart: &Mart, log: &ChangeLog, message: String, expected: String, actual: Option<&str>) -> Option<Drift> {
    Some(Drift {
        address: mart.name.to_string(),
        kind: mart.kind,
        aspect: format!("capture:{}", log.table),
        message,
        diff: drift::unified(&expected, actual.unwrap_or_default(), "as applied", "in the database"),
        expected: Some(expected),
        actual: actual.map(str::to_owned),
    })
}

/// What a table's owner can run instead of whoever plans: nothing before the log is there that the triggers write to.
pub(super) fn by_owner(log: &ChangeLog, member: &QName, actual: &Actual) -> Vec<String> {
    match actual.captures.logs.contains_key(&log.table) {
        true => attach_log(log, member),
        false => Vec::new(),
    }
}

/// How `user` gets triggers on a table of `owner`: once they are made the grant may go again.
pub(super) fn granted(owner: &str, user: &str, by_owner: &[String]) -> String {
    let owner = quote_ident(owner);
    let instead = match by_owner.is_empty() {
        true => String::new(),
        false => format!(", or run as {owner}: {}", by_owner.join("; ")),
    };
    format!("GRANT {owner} TO {}; it can be revoked once the triggers are made{instead}", quote_ident(user))
}

/// A statement about a table, told under its name.
pub(in crate::plan) fn step(desired: &Desired, address: &str, sql: String, transaction: u32) -> Step {
    Step {
        transaction: Some(transaction),
        sql,
        // Who writes to a table that is written to all the time waits a moment, again and again, not for long once.
        lock_timeout_ms: desired.project.database.publish_lock_timeout_ms,
        statement_timeout_ms: desired.project.database.statement_timeout_ms,
        mart: address.to_owned(),
        role: None,
        settings: Vec::new(),
        publication: true,
        aside: false,
        beside: false,
        check: None,
        undo: None,
    }
}

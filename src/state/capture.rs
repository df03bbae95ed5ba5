//! Names of what notices writes to source tables.

use sha2::{Digest, Sha256};

use super::{MAX_NAME_BYTES, QName, derived_name};

/// The trigger that fills a log of a registry for an event: `datamart_changes_shop_public_orders_insert`.
pub fn log_trigger(registry: &str, log: &str, event: &str) -> String {
    fitting(&format!("{registry}_{log}"), &format!("_{}", event.to_lowercase()))
}

/// A name that stays apart from others where it is shortened.
fn fitting(name: &str, end: &str) -> String {
    if name.len() + end.len() <= MAX_NAME_BYTES {
        return format!("{name}{end}");
    }
    let hash = hex::encode(Sha256::digest(name.as_bytes()));
    derived_name(name, &format!("_{}{end}", &hash[..8]))
}

/// How many tables a log of changes is: one that is written to, and those that are emptied once everybody has read them.
pub const LOG_SEGMENTS: usize = 3;

/// The log of a project's source table, and the function that fills it: `changes_shop_public_orders`. What is one table is one
/// log, whatever the dots in its name.
pub fn log_name(registry: &str, project: &str, table: &QName) -> QName {
    let name = format!("changes_{project}_{}_{}", table.schema, table.name);
    let ambiguous = [project, &table.schema, &table.name].iter().any(|part| part.contains('_'));
    let hash = hex::encode(Sha256::digest(format!("{project}\0{}\0{}", table.schema, table.name)));
    // Room for the number of a segment.
    let long = name.len() + 2 > MAX_NAME_BYTES;
    let end = if ambiguous || long { format!("_{}", &hash[..8]) } else { String::new() };
    let short = derived_name(&name, &format!("{end}_0"));
    QName::new(registry, short.strip_suffix("_0").unwrap_or(&short))
}

/// The tables of a log.
pub fn log_segments(log: &QName) -> [QName; LOG_SEGMENTS] {
    [0, 1, 2].map(|number| log.sibling(format!("{}_{number}", log.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_its_own_log() {
        let log = |project: &str, schema: &str, table: &str| log_name("datamart", project, &QName::new(schema, table));
        assert_eq!(log("shop", "public", "orders").to_string(), "datamart.changes_shop_public_orders");
        assert_ne!(log("shop", "public", "x_0"), log("shop", "public", "x"));
        assert_ne!(log("shop", "a_b", "c"), log("shop", "a", "b_c"));
        let long = log("shop", "public", &"ö".repeat(31));
        let segments = log_segments(&long);
        assert!(segments.iter().all(|segment| segment.name.len() <= MAX_NAME_BYTES), "{segments:?}");
        assert_eq!(segments[2].name, format!("{}_2", long.name));
    }

    #[test]
    fn long_names_stay_apart() {
        assert_eq!(
            log_trigger("datamart", "changes_shop_public_orders", "INSERT"),
            "datamart_changes_shop_public_orders_insert"
        );
        let events = super::super::LOG_EVENTS.map(|event| log_trigger("datamart", &"x".repeat(60), event));
        assert!(events.iter().all(|name| name.len() <= MAX_NAME_BYTES), "{events:?}");
        assert_ne!(events[0], events[1]);
        let long = |last: &str| log_trigger("datamart", &format!("{}{last}", "x".repeat(60)), "DELETE");
        assert_ne!(long("a"), long("b"));
    }
}

//! Names of what notices writes to source tables.

use sha2::{Digest, Sha256};

use super::{MAX_NAME_BYTES, derived_name};

/// The registry's function that notes a write to a source of a triggered mart.
pub const TOUCH: &str = "touch";

/// The trigger on a source table by which a project notices writes to it: `datamart_touch_shop`. Projects and registries have
/// their own, so that one that goes takes nothing away from another.
pub fn touch_trigger(registry: &str, project: &str) -> String {
    let name = format!("{registry}_{TOUCH}_{project}");
    if name.len() <= MAX_NAME_BYTES {
        return name;
    }
    let hash = hex::encode(Sha256::digest(name.as_bytes()));
    derived_name(&name, &format!("_{}", &hash[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_stay_apart() {
        assert_eq!(touch_trigger("datamart", "shop"), "datamart_touch_shop");
        let long = |last: &str| touch_trigger("datamart", &format!("{}{last}", "x".repeat(60)));
        assert_eq!(long("a").len(), MAX_NAME_BYTES);
        assert_ne!(long("a"), long("b"));
    }
}

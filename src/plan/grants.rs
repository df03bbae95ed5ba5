//! Grants as sets of single privileges, and the statements between two of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::state::{GrantDecl, QName, quote_idents, quote_role};

/// What takes one role from what it has to what it should have.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct GrantFix {
    pub role: String,
    /// (privilege, column, only the grant option)
    pub revoke: Vec<(String, Option<String>, bool)>,
    /// (privilege, column, with grant option)
    pub grant: Vec<(String, Option<String>, bool)>,
}

/// (privilege, column) → grantable.
type Privileges = BTreeMap<(String, Option<String>), bool>;

fn by_role(grants: &[GrantDecl], major: i32) -> BTreeMap<String, Privileges> {
    let mut roles: BTreeMap<String, Privileges> = BTreeMap::new();
    for grant in grants {
        let privileges = roles.entry(grant.role.clone()).or_default();
        for privilege in &grant.privileges {
            for word in expand(privilege, !grant.columns.is_empty(), major) {
                let columns: Vec<Option<String>> = if grant.columns.is_empty() {
                    vec![None]
                } else {
                    grant.columns.iter().cloned().map(Some).collect()
                };
                for column in columns {
                    let grantable = privileges.entry((word.to_owned(), column)).or_insert(false);
                    *grantable |= grant.grant_option;
                }
            }
        }
    }
    roles
}

/// `ALL` is every privilege a relation, or a column, has.
/// <https://www.postgresql.org/docs/current/ddl-priv.html>
fn expand(privilege: &str, column: bool, major: i32) -> Vec<&str> {
    if !privilege.eq_ignore_ascii_case("ALL") && !privilege.eq_ignore_ascii_case("ALL PRIVILEGES") {
        return vec![privilege];
    }
    if column {
        return vec!["INSERT", "REFERENCES", "SELECT", "UPDATE"];
    }
    let mut all = vec!["DELETE", "INSERT", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE"];
    if major >= 17 {
        all.push("MAINTAIN");
    }
    all
}

/// Whether both grant the same, in whatever words.
pub(crate) fn same(a: &[GrantDecl], b: &[GrantDecl], major: i32) -> bool {
    by_role(a, major) == by_role(b, major)
}

/// What one role has, in words.
pub(crate) fn of_role(grants: &[GrantDecl], role: &str, major: i32) -> String {
    by_role(grants, major).get(role).map(words).unwrap_or_default()
}

/// Whether the role has MAINTAIN beside every other privilege, all of which are declared: pg_dump and pg_upgrade make what
/// was every privilege before 17 into every privilege there is.
/// <https://www.postgresql.org/docs/17/release-17.html>
pub(crate) fn came_with_an_upgrade(declared: &[GrantDecl], live: &[GrantDecl], role: &str) -> bool {
    let (mut declared, mut live) = (by_role(declared, 17), by_role(live, 17));
    let (Some(mut declared), Some(live)) = (declared.remove(role), live.remove(role)) else { return false };
    let whole = |word: &str| (word.to_owned(), None);
    let everything = expand("ALL", false, 16).into_iter().all(|word| declared.contains_key(&whole(word)));
    let grantable = declared.get(&whole("SELECT")).copied().unwrap_or_default();
    everything && declared.insert(whole("MAINTAIN"), grantable).is_none() && declared == live
}

fn words(privileges: &Privileges) -> String {
    let words = privileges.iter().map(|((privilege, column), grantable)| {
        let column = column.as_ref().map(|c| format!(" ({})", quote_idents([c]))).unwrap_or_default();
        let option = if *grantable { " WITH GRANT OPTION" } else { "" };
        format!("{privilege}{column}{option}")
    });
    words.collect::<Vec<_>>().join(", ")
}

/// For each role that differs: role, what it should have, what it has, and how to get there.
pub(crate) fn differences(
    expected: &[GrantDecl],
    actual: &[GrantDecl],
    major: i32,
) -> Vec<(String, String, String, GrantFix)> {
    let (expected, actual) = (by_role(expected, major), by_role(actual, major));
    let roles: BTreeSet<&String> = expected.keys().chain(actual.keys()).collect();
    let none = Privileges::new();
    let mut found = Vec::new();
    for role in roles {
        let should = expected.get(role).unwrap_or(&none);
        let has = actual.get(role).unwrap_or(&none);
        if should == has {
            continue;
        }
        let mut fix = GrantFix { role: role.clone(), ..GrantFix::default() };
        for ((privilege, column), grantable) in has {
            match should.get(&(privilege.clone(), column.clone())) {
                None => fix.revoke.push((privilege.clone(), column.clone(), false)),
                Some(false) if *grantable => fix.revoke.push((privilege.clone(), column.clone(), true)),
                Some(_) => {}
            }
        }
        // What is revoked on the whole relation is revoked on its columns, too.
        let revoked = fix.revoke.clone();
        let taken = |privilege: &String, option: bool| {
            revoked.iter().any(|(p, column, only)| p == privilege && column.is_none() && (!only || option))
        };
        for (key, grantable) in should {
            let taken = key.1.is_some() && taken(&key.0, *grantable);
            if taken || has.get(key).is_none_or(|has| *grantable && !has) {
                fix.grant.push((key.0.clone(), key.1.clone(), *grantable));
            }
        }
        found.push((role.clone(), words(should), words(has), fix));
    }
    found
}

/// The statements of a fix.
pub(crate) fn statements(fix: &GrantFix, relation: &QName) -> Vec<String> {
    let role = quote_role(&fix.role);
    let mut sql = Vec::new();
    for (option, privileges) in grouped(&fix.revoke) {
        let option = if option { "GRANT OPTION FOR " } else { "" };
        sql.push(format!("REVOKE {option}{privileges} ON {relation} FROM {role}"));
    }
    for (option, privileges) in grouped(&fix.grant) {
        let option = if option { " WITH GRANT OPTION" } else { "" };
        sql.push(format!("GRANT {privileges} ON {relation} TO {role}{option}"));
    }
    sql
}

/// Privileges of one kind of option in one list: `SELECT, UPDATE (a, b)`.
fn grouped(items: &[(String, Option<String>, bool)]) -> Vec<(bool, String)> {
    let mut groups: BTreeMap<bool, BTreeMap<String, Vec<&String>>> = BTreeMap::new();
    let mut whole: BTreeMap<bool, Vec<String>> = BTreeMap::new();
    for (privilege, column, option) in items {
        match column {
            None => whole.entry(*option).or_default().push(privilege.clone()),
            Some(column) => groups.entry(*option).or_default().entry(privilege.clone()).or_default().push(column),
        }
    }
    for (option, privileges) in groups {
        for (privilege, columns) in privileges {
            let entry = whole.entry(option).or_default();
            entry.push(format!("{privilege} ({})", quote_idents(columns)));
        }
    }
    whole.into_iter().map(|(option, list)| (option, list.join(", "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(role: &str, privileges: &[&str], columns: &[&str], grant_option: bool) -> GrantDecl {
        GrantDecl {
            role: role.into(),
            privileges: privileges.iter().map(|p| (*p).to_owned()).collect(),
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
            grant_option,
        }
    }

    fn sql(expected: &[GrantDecl], actual: &[GrantDecl]) -> Vec<String> {
        let relation = QName::new("s", "m");
        differences(expected, actual, 15).iter().flat_map(|(_, _, _, fix)| statements(fix, &relation)).collect()
    }

    #[test]
    fn the_same_in_other_words_is_the_same() {
        let all = grant("bi", &["ALL"], &[], false);
        let words = ["DELETE", "INSERT", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE"];
        assert!(sql(&[all], &[grant("bi", &words, &[], false)]).is_empty());
        assert!(
            sql(&[grant("public", &["SELECT"], &[], false)], &[grant("public", &["SELECT"], &[], false)]).is_empty()
        );
    }

    #[test]
    fn an_upgrade_gives_maintain_to_who_had_everything() {
        let seven = ["DELETE", "INSERT", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE"];
        let eight = [&seven[..], &["MAINTAIN"]].concat();
        let came = |declared: &[&str], live: &[&str], option: bool| {
            came_with_an_upgrade(&[grant("x", declared, &[], false)], &[grant("x", live, &[], option)], "x")
        };
        assert!(came(&seven, &eight, false));
        assert!(!came(&seven, &eight, true), "others may be given on now");
        assert!(!came(&eight, &seven, false), "it was taken away");
        assert!(!came(&seven[1..], &eight, false));
        assert!(!came(&["SELECT"], &["SELECT", "MAINTAIN"], false), "somebody gave it");
        assert!(!came_with_an_upgrade(&[], &[grant("x", &eight, &[], false)], "x"));
    }

    #[test]
    fn differences_are_granted_and_revoked() {
        let expected = [grant("Bi Reader", &["SELECT"], &["a", "b"], false)];
        let actual = [grant("Bi Reader", &["SELECT"], &[], true), grant("public", &["SELECT"], &[], false)];
        assert_eq!(
            sql(&expected, &actual),
            [
                "REVOKE SELECT ON s.m FROM \"Bi Reader\"",
                "GRANT SELECT (a, b) ON s.m TO \"Bi Reader\"",
                "REVOKE SELECT ON s.m FROM PUBLIC",
            ]
        );
        assert_eq!(
            sql(&[grant("x", &["SELECT"], &[], false)], &[grant("x", &["SELECT"], &[], true)]),
            ["REVOKE GRANT OPTION FOR SELECT ON s.m FROM x"]
        );
    }
}

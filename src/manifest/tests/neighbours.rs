//! What marts are to each other.

use super::{Folder, table, view};

fn reading(relation: &str) -> String {
    format!("type = 'view'\nquery = 'SELECT * FROM {relation}'\n")
}

#[test]
fn equal_names() {
    let folder = Folder::new(&[
        ("a.toml", &view("name = 'x'\n")),
        ("sub/x.toml", &view("")),
        ("y/x.toml", &view("schema = 'other'\n")),
        ("z.toml", &view("name = 'X'\n")),
    ]);
    assert_eq!(
        folder.told(),
        [
            "sub/x.toml:1:8 the mart public.x is declared twice «\"view\"» (it is declared in a.toml, too; rename one of them)"
        ]
    );
}

/// What else stands in the second file is not held against the first.
#[test]
fn equal_names_are_told_once() {
    let both = table("name = 'm'\nprimary_key = ['a']\n[[indexes]]\ncolumns = ['b']\n");
    let folder = Folder::new(&[("a.toml", &both), ("b.toml", &both)]);
    assert_eq!(
        folder.told(),
        ["b.toml:3:8 the mart public.m is declared twice «'m'» (it is declared in a.toml, too; rename one of them)"]
    );
}

#[test]
fn names_of_partitions() {
    let divided = |by: &str| format!("type = 'partitioned_table'\nquery = 'SELECT 1 AS n'\n[partition]\n{by}\n");
    let folder = Folder::new(&[
        ("a.toml", &divided("by = 'range'\ncolumn = 'n'\ninterval = '1 month'\ndefault = true")),
        ("a_default.toml", &view("")),
        ("b.toml", &divided("by = 'list'\ncolumn = 'n'\nvalues = { eu = [1] }")),
        ("b_default.toml", &view("")),
        ("b_eu.toml", &view("")),
    ]);
    assert_eq!(
        folder.told(),
        [
            "a.toml:3:2 the partition \"a_default\" of public.a has the same name as the mart public.a_default «partition» (choose another name for the other one (a_default.toml))",
            "b.toml:3:2 the partition \"b_eu\" of public.b has the same name as the mart public.b_eu «partition» (choose another name for the other one (b_eu.toml))",
        ]
    );
}

#[test]
fn names_that_follow_from_others() {
    let folder = Folder::new(&[
        ("a.toml", &table("primary_key = ['k']\n[[indexes]]\ncolumns = ['b']\n")),
        ("a__next.toml", &view("")),
        ("a_b_idx.toml", &view("")),
        ("b.toml", &table("[[indexes]]\ncolumns = ['b']\nname = 'a_pkey'\n")),
    ]);
    assert_eq!(
        folder.told(),
        [
            "a.toml:4:1 the index \"a_b_idx\" of public.a has the same name as the mart public.a_b_idx «[[indexes]]» (give the index a `name` of its own (a_b_idx.toml))",
            "a__next.toml:1:8 the name \"a__next\" is what the mart public.a is built under «\"view\"» (public.a is declared in a.toml; choose another name)",
            "b.toml:5:8 the index \"a_pkey\" of public.b has the same name as the primary key \"a_pkey\" of public.a «'a_pkey'» (choose another name for the index (a.toml))",
        ]
    );
}

#[test]
fn cycles() {
    let folder = Folder::new(&[
        ("a.toml", &reading("b")),
        ("b.toml", &reading("public.c")),
        ("c.toml", "type = 'view'\nquery_file = 'c.sql'\ndepends_on = ['a']\n"),
        ("c.sql", "SELECT 1"),
        ("d.toml", &reading("a")),
        ("self.toml", &reading("self")),
    ]);
    assert_eq!(
        folder.told(),
        [
            "a.toml:2:24 dependency cycle: a → b → c → a «b» (take one reference out: a is a.toml, b is b.toml, c is c.toml)",
            "self.toml:2:24 dependency cycle: self → self «self» (a mart cannot read itself; if another relation is meant, write its schema)",
        ]
    );
}

#[test]
fn order_and_upstream() {
    let folder = Folder::new(&[
        ("z_base.toml", &reading("orders")),
        ("b.toml", &reading("z_base")),
        ("a.toml", &reading("b x, other.z_base")),
        ("c.toml", &format!("{}depends_on = ['b', 'customers', '\"other\".\"z_base\"']\n", reading("orders"))),
        ("o.toml", "type = 'view'\nname = 'z_base'\nschema = 'other'\nquery = 'WITH b AS (SELECT 1) TABLE b'\n"),
        ("s.toml", "type = 'view'\nname = 'reader'\nschema = 'other'\nquery = 'TABLE z_base'\n"),
    ]);
    let desired = folder.desired();
    let lines: Vec<String> = desired
        .marts
        .iter()
        .map(|m| {
            let up: Vec<String> = m.upstream.iter().map(ToString::to_string).collect();
            format!("{} < {}", m.mart.name, up.join(" "))
        })
        .collect();
    assert_eq!(
        lines,
        [
            "other.z_base < ",
            "other.reader < other.z_base",
            "public.z_base < ",
            "public.b < public.z_base",
            "public.a < other.z_base public.b",
            "public.c < other.z_base public.b",
        ]
    );
}

#[test]
fn renames_and_dependencies() {
    let folder = Folder::new(&[
        ("a.toml", &view("renamed_from = ['a', 'd', 'gone']\ndepends_on = ['a', 'unknown']\n")),
        ("b.toml", &view("renamed_from = ['public.gone']\n")),
        ("c.toml", &view("schema = 'datamart'\n")),
        ("d.toml", &view("")),
    ]);
    assert_eq!(
        folder.told(),
        [
            "a.toml:3:17 this is the mart's own name «'a'» (remove it)",
            "a.toml:3:22 public.d is still a mart «'d'» (it is declared in d.toml; remove one of them)",
            "a.toml:4:15 a mart cannot depend on itself «'a'» (remove it)",
            "b.toml:3:17 two marts were renamed from public.gone «'public.gone'» (keep it in one of them: a.toml)",
            "c.toml:3:10 the schema \"datamart\" is datamart's own «'datamart'» (choose another schema, or set `registry_schema` in project.toml)",
        ]
    );
}

#[test]
fn names_may_swap_and_move_along() {
    let folder = Folder::new(&[
        ("a.toml", &view("renamed_from = ['b']\n")),
        ("b.toml", &view("renamed_from = ['a']\n")),
        ("d.toml", &view("renamed_from = ['c']\n")),
        ("e.toml", &view("renamed_from = ['d']\n")),
    ]);
    assert_eq!(folder.desired().marts.len(), 4);
    let folder = Folder::new(&[
        ("a.toml", &view("renamed_from = ['b']\n")),
        ("b.toml", &view("renamed_from = ['a']\n")),
        ("c.toml", &view("renamed_from = ['a']\n")),
    ]);
    assert_eq!(
        folder.told(),
        ["c.toml:3:17 two marts were renamed from public.a «'a'» (keep it in one of them: b.toml)"]
    );
}

/// Other names may be tables, which nobody knows here.
#[test]
fn a_dependency_that_is_called_nearly_as_a_mart() {
    let folder = Folder::new(&[
        ("orders_daily.toml", &view("")),
        ("a.toml", &view("depends_on = ['orders_dialy', 'customers', 'public.orders_daly', 'a_']\n")),
    ]);
    assert_eq!(
        folder.told(),
        [
            "a.toml:3:15 warning: `depends_on` names \"orders_dialy\", and no mart is called so «'orders_dialy'» (did you mean \"orders_daily\"?)",
            "a.toml:3:44 warning: `depends_on` names \"public.orders_daly\", and no mart is called so «'public.orders_daly'» (did you mean \"orders_daily\"?)",
        ]
    );
}

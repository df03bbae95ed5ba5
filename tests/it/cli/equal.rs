//! Values that are equal and not the same: what changes affect is told by the values themselves, and compared as the table does.

use super::rig::Rig;

/// Numbers, spans and documents that print differently, and texts of which only their collation says how they are compared. It stands in a
/// schema that no search path leads to.
const ITEMS: &str = "CREATE SCHEMA app;
    CREATE COLLATION app.caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE COLLATION app.tr (provider = icu, locale = 'tr');
    CREATE TABLE items (id int PRIMARY KEY, n numeric, i interval, j jsonb, f float8, t text COLLATE app.tr, c text COLLATE app.caseless, w text[] COLLATE app.tr);
    INSERT INTO items SELECT x, x, '2 days', '{\"a\": 1}', 0, 'I' || x, 'open', ARRAY['I' || x] FROM generate_series(1, 50) AS x;";

/// What a mart shows, and of which rows.
const SHOWN: &[(&str, &str, &str)] = &[
    ("number", "n::text", ""),
    ("span", "i::text", ""),
    ("document", "j::text", ""),
    ("float", "f::text", ""),
    ("lower", "lower(t)", ""),
    ("words", "lower(w[1])", ""),
    ("caseless", "id", " WHERE c = 'done'"),
];

const WAYS: &[(&str, &str)] =
    &[("later", "strategy = \"incremental\""), ("fresh", "fresh = true"), ("kept", "strategy = \"on_commit\"")];

fn query(shown: &str, of: &str) -> String {
    format!("SELECT {shown} AS shown, count(*) AS n FROM items{of} GROUP BY 1")
}

/// The marts of a way that are not as their queries say.
fn inexact(rig: &Rig, way: &str) -> Vec<String> {
    let differs = |(name, shown, of): &(&str, &str, &str)| {
        let (mart, query) = (format!("SELECT * FROM {way}_{name}"), query(shown, of));
        let sql = format!("SELECT EXISTS (({mart} EXCEPT ALL {query}) UNION ALL ({query} EXCEPT ALL {mart}))::text");
        (rig.value(&sql) == "true").then(|| format!("{way}_{name}"))
    };
    SHOWN.iter().filter_map(differs).collect()
}

#[test]
fn what_changes_is_found_by_more_than_equality() {
    let rig = Rig::of(&[]);
    rig.sql(ITEMS);
    for (way, refresh) in WAYS {
        for (name, shown, of) in SHOWN {
            let manifest = format!("type = \"table\"\nquery = \"{}\"\n[refresh]\n{refresh}\n", query(shown, of));
            rig.write(&format!("{way}_{name}.toml"), &manifest);
        }
    }
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    for sql in [
        "UPDATE items SET n = n * 1.00, i = '48 hours', j = '{\"a\": 1.0}', f = '-0', t = 'IĞI', c = 'DONE', w = '{IĞI}' WHERE id = 7",
        "UPDATE items SET n = 7, i = '2 days', j = '{\"a\": 1}', f = 0, t = 'ii', c = 'Done', w = '{ii}' WHERE id = 7",
        "DELETE FROM items WHERE id = 7",
    ] {
        rig.sql(sql);
        for way in ["fresh", "kept"] {
            assert_eq!(inexact(&rig, way), Vec::<String>::new(), "{sql}");
        }
        rig.run(&["refresh", "--all", "-q"]).done();
        assert_eq!(inexact(&rig, "later"), Vec::<String>::new(), "{sql}");
    }
    let reasons = "SELECT count(*)::text FROM datamart.refreshes WHERE reason LIKE '%not those of its query%'";
    assert_eq!(rig.value(reasons), "0", "comparing found what following changes missed");
}

#[test]
fn a_column_is_compared_as_its_source_is() {
    let mart = "type = \"partitioned_table\"\nquery = \"SELECT t, date '2026-01-01' + id AS day FROM items\"\n\
        [partition]\nby = \"range\"\ncolumn = \"day\"\ninterval = \"1 month\"\n";
    let rig = Rig::of(&[("divided.toml", mart)]);
    rig.sql(ITEMS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let collation = "SELECT collname FROM pg_collation AS c JOIN pg_attribute AS a ON a.attcollation = c.oid
        WHERE attrelid = 'divided'::regclass AND attname = 't'";
    assert_eq!(rig.value(collation), "tr");
    rig.run(&["plan", "--detailed-exitcode"]).done();
    // A registry of before knew collations without their schemas.
    rig.sql_as_superuser(
        "UPDATE datamart.marts SET applied = replace(applied::text, '\"app.tr\"', '\"tr\"')::jsonb WHERE applied::text LIKE '%\"app.tr\"%'",
    );
    rig.run(&["plan", "--detailed-exitcode"]).done();
    rig.sql("ALTER TABLE items ALTER COLUMN t TYPE text COLLATE app.caseless");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(rig.value(collation), "caseless");
}

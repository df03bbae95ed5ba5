//! An apply that fails leaves nothing behind that refuses rows which the mart may have.

use super::rig::Rig;

fn mart(more: &str) -> String {
    format!("type = \"table\"\n{more}\nquery = \"SELECT a, b FROM t\"\n")
}

const LEFT: &str = "SELECT (SELECT count(*) FROM pg_constraint WHERE conrelid = 'm'::regclass) || ' constraints, '
    || (SELECT count(*) FROM pg_index WHERE indrelid = 'm'::regclass) || ' indexes'";

#[test]
fn of_a_primary_key_over_nulls_or_equal_rows() {
    let rig = Rig::of(&[("m.toml", &mart(""))]);
    rig.sql("CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, 1), (2, 1), (NULL, 2)");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    for (key, says) in [
        ("\"a\"", "check constraint \"a__not_null\" of relation \"m\" is violated by some row"),
        ("\"b\", \"a\"", "check constraint \"a__not_null\" of relation \"m\" is violated by some row"),
        ("\"b\"", "could not create unique index \"m_pkey__next\""),
    ] {
        rig.write("m.toml", &mart(&format!("primary_key = [{key}]")));
        let failed = rig.run(&["apply", "--auto-approve", "-q"]).ended(1);
        assert!(failed.err().contains(says), "{}", failed.err());
        assert!(failed.err().contains("done: nothing; not done: public.m\n"), "{}", failed.err());
        assert_eq!(rig.value(LEFT), "0 constraints, 0 indexes", "{key}");
    }
    rig.sql("DELETE FROM t WHERE a IS NULL");
    rig.run(&["refresh", "m", "-q"]).done();
    rig.write("m.toml", &mart("primary_key = [\"a\"]"));
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(rig.value(LEFT), "1 constraints, 1 indexes");
}

#[test]
fn of_a_unique_index() {
    let rig = Rig::of(&[("m.toml", &mart(""))]);
    rig.sql("CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, 1), (1, 2)");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.write("m.toml", &format!("{}[[indexes]]\ncolumns = [\"a\"]\nunique = true\n", mart("")));
    let failed = rig.run(&["apply", "--auto-approve", "-q"]).ended(1);
    assert!(failed.err().contains("could not create unique index \"m_a_idx\""), "{}", failed.err());
    assert_eq!(rig.value(LEFT), "0 constraints, 0 indexes");
    rig.write("m.toml", &mart(""));
    rig.run(&["drift"]).done();
}

/// An index of that name that somebody made meanwhile is theirs.
#[test]
fn but_not_what_had_the_name_already() {
    let rig = Rig::of(&[("m.toml", &mart(""))]);
    rig.sql("CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, 1)");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.write("m.toml", &format!("{}[[indexes]]\ncolumns = [\"a\"]\nunique = true\n", mart("")));
    // It comes after the plan was checked, before the plan's first statement.
    rig.sql(
        "CREATE FUNCTION first() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN CREATE INDEX m_a_idx ON public.m (b); RETURN NULL; END $$;
         CREATE TRIGGER first AFTER INSERT ON datamart.applies FOR EACH ROW EXECUTE FUNCTION first()",
    );
    let failed = rig.run(&["apply", "--auto-approve", "-q"]).ended(1);
    assert!(failed.err().contains("relation \"m_a_idx\" already exists"), "{}", failed.err());
    assert_eq!(
        rig.value("SELECT pg_get_indexdef('m_a_idx'::regclass)"),
        "CREATE INDEX m_a_idx ON public.m USING btree (b)"
    );
}

/// What was built for the partitions before it is not built again.
#[test]
fn of_an_index_of_one_partition() {
    let divided = |more: &str| {
        format!(
            "type = \"partitioned_table\"\nquery = \"SELECT region, a FROM t\"\n[partition]\nby = \"list\"\ncolumn = \"region\"\nvalues = {{ eu = [\"eu\"], us = [\"us\"] }}\n{more}"
        )
    };
    let rig = Rig::of(&[("m.toml", &divided(""))]);
    rig.sql("CREATE TABLE t (region text, a int); INSERT INTO t VALUES ('eu', 1), ('us', 1), ('us', 1)");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.write("m.toml", &divided("[[indexes]]\ncolumns = [\"region\", \"a\"]\nunique = true\n"));
    let failed = rig.run(&["apply", "--auto-approve", "-q"]).ended(1);
    assert!(failed.err().contains("could not create unique index"), "{}", failed.err());
    let indexes = "SELECT string_agg(indrelid::regclass || ' ' || indisvalid, ', ') FROM pg_index
        WHERE indrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'm'::regclass)";
    assert_eq!(rig.value(indexes), "m_eu true");
    rig.sql("DELETE FROM t WHERE region = 'us'");
    rig.run(&["refresh", "m", "-q"]).done();
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(rig.value(LEFT), "0 constraints, 1 indexes");
    rig.run(&["drift"]).done();
}

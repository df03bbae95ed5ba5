//! `rollback`: what it writes, what it remembers, what it refuses.

use super::rig::Rig;
use super::versions::{apply, published, sales, with};

#[test]
fn nothing_of_a_manifest_changes_but_the_pin() {
    let head = "# The mart.\ntype  =  \"table\"   # stored\nquery = '''\nSELECT 1 AS a -- one\n'''\n";
    let forms = [
        (
            "header",
            "[versions]  # history\nkeep = 3    # three\n\n# the end\n",
            "[versions]  # history\nkeep = 3    # three\npin = 1\n\n# the end\n",
        ),
        ("bare", "[versions]\n", "[versions]\npin = 1\n"),
        ("inline", "versions = { keep = 3 } # inline\n", "versions = { keep = 3, pin = 1 } # inline\n"),
        ("tight", "versions={keep=3,on=\"change\"}\n", "versions={keep=3,on=\"change\", pin = 1}\n"),
        (
            "empty",
            "versions = {}\n\n[metadata] # more\na = 1\n",
            "versions = { pin = 1 }\n\n[metadata] # more\na = 1\n",
        ),
        (
            "dotted",
            "versions.keep = 3 # dotted\n\n# about\n[metadata]\na=1\n",
            "versions.keep = 3 # dotted\nversions.pin = 1\n\n# about\n[metadata]\na=1\n",
        ),
        ("open", "[versions]\nkeep = 3\n[metadata]\na = 1", "[versions]\nkeep = 3\npin = 1\n[metadata]\na = 1"),
    ];
    let mut files: Vec<(String, String, String)> = forms
        .iter()
        .map(|(name, before, after)| (format!("{name}.toml"), format!("{head}{before}"), format!("{head}{after}")))
        .collect();
    let (_, before, after) = files[0].clone();
    files.push(("crlf.toml".into(), before.replace('\n', "\r\n"), after.replace('\n', "\r\n")));
    files.push(("mark.toml".into(), format!("\u{feff}{before}"), format!("\u{feff}{after}")));
    let rig = Rig::of(&[("project.toml", super::versions::PROJECT)]);
    for (from, to) in [("SELECT 1", "SELECT 1"), ("SELECT 1", "SELECT 2")] {
        for (name, before, _) in &files {
            rig.write(name, &before.replace(from, to));
        }
        rig.run(&["apply", "--auto-approve", "-q"]).done();
    }
    for (name, before, after) in &files {
        let mart = name.trim_end_matches(".toml");
        let text = |text: &String| text.replace("SELECT 1", "SELECT 2");
        rig.run(&["rollback", mart]).done();
        assert_eq!(rig.read(name), text(after), "{name}");
        assert_eq!(rig.value(&format!("SELECT a FROM {mart}")), "1");
        let out = rig.run(&["rollback", mart, "--to", "2"]).done();
        assert!(out.stdout.contains("`pin` is taken out of"), "{out}");
        assert_eq!(rig.read(name), text(before), "{name}");
        assert_eq!(rig.value(&format!("SELECT a FROM {mart}")), "2");
    }
    assert!(rig.run(&["plan"]).done().stdout.starts_with("No changes."));
}

#[test]
fn it_is_told_and_the_next_plan_is_empty() {
    let rig = with(&["sum(amount)", "max(amount)", "min(amount)"]);
    insta::assert_snapshot!(rig.run(&["rollback", "sales"]), @r"
    exit 0
    --- stdout
    public.sales: version 2 is published instead of 3. `pin = 2` is written into datamarts/sales.toml: commit it.
    ");
    let plan = ["plan", "--detailed-exitcode"];
    rig.run(&plan).done();
    insta::assert_snapshot!(rig.run(&["rollback", "sales", "--format", "json"]).out(), @r#"
    {
      "mart": "public.sales",
      "published": 1,
      "was": 2,
      "pinned": 1,
      "file": "datamarts/sales.toml"
    }
    "#);
    rig.run(&plan).done();
    assert_eq!(published(&rig), "1");
    insta::assert_snapshot!(rig.run(&["rollback", "sales", "--to", "3"]), @r"
    exit 0
    --- stdout
    public.sales: version 3 is published instead of 1. `pin` is taken out of datamarts/sales.toml: commit it.
    ");
    rig.run(&plan).done();
    assert_eq!(rig.read("sales.toml"), sales("min(amount)"));
    assert_eq!(rig.value("SELECT held IS NOT NULL FROM datamart.marts"), "true");
    // What a rollback remembers is forgotten once the file says the same: another pin is heard.
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(rig.value("SELECT held IS NULL FROM datamart.marts"), "true");
    apply(&rig, &format!("{}pin = 1\n", sales("min(amount)")));
    assert_eq!(published(&rig), "1");
    // The history has them.
    assert_eq!(rig.value("SELECT count(*) FROM datamart.applies WHERE status = 'success'"), "7");
}

#[test]
fn an_older_checkout_does_not_undo_it() {
    let rig = with(&["sum(amount)", "max(amount)", "min(amount)"]);
    let old = sales("min(amount)");
    // The checkout it is done in has another edit, which is nobody's yet.
    rig.write("sales.toml", &format!("# work in progress\n{}", sales("avg(amount)")));
    rig.run(&["rollback", "sales"]).done();
    rig.run(&["rollback", "sales"]).done();
    for manifest in [old.clone(), format!("{old}pin = 2\n"), old.clone()] {
        rig.write("sales.toml", &manifest);
        let out = rig.run(&["plan", "--detailed-exitcode"]);
        if manifest == old {
            assert!(out.code == Some(0) && out.stdout.starts_with("No changes."), "{out}");
            rig.run(&["apply", "--auto-approve", "-q"]).done();
            assert_eq!(published(&rig), "1");
            let told = rig.run(&["versions", "sales", "--format", "json"]).done().json();
            assert_eq!(told["pinned"], 1);
        }
    }
    // A change of the file ends that.
    apply(&rig, &old.replace("keep = 3    # three", "keep = 4"));
    assert_eq!(published(&rig), "3");
    assert_eq!(rig.value("SELECT held IS NULL FROM datamart.marts"), "true");
}

#[test]
fn a_new_definition_ends_it() {
    let rig = with(&["sum(amount)", "max(amount)"]);
    rig.run(&["rollback", "sales"]).done();
    apply(&rig, &sales("min(amount)"));
    assert_eq!(published(&rig), "3");
    assert!(rig.run(&["plan"]).done().stdout.starts_with("No changes."));
}

#[test]
fn pending_edits_stay_pending() {
    let rig = with(&["sum(amount)", "max(amount)"]);
    rig.write("sales.toml", &format!("description = \"soon\"\n{}", sales("nothing_of_that_name")));
    rig.write("other.toml", "type = \"view\"\nquery = \"SELECT 1 AS a\"\n");
    rig.run(&["rollback", "sales"]).done();
    assert_eq!(published(&rig), "1");
    let text = rig.read("sales.toml");
    assert!(
        text.starts_with("description = \"soon\"\n")
            && text.ends_with("pin = 1\n")
            && text.contains("nothing_of_that_name")
    );
    assert_eq!(rig.value("SELECT to_regclass('other') IS NULL AND obj_description('sales'::regclass) IS NULL"), "true");
    rig.run(&["plan"]).ended(1);
    rig.write("sales.toml", &text.replace("nothing_of_that_name", "min(amount)"));
    let out = rig.run(&["plan"]).done();
    assert!(out.stdout.contains("query changed; version 3 is built, version 1 stays published"), "{out}");
    assert!(out.stdout.contains("description changed") || out.stdout.contains("IS 'soon'"), "{out}");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(published(&rig), "1");
    assert_eq!(rig.value("SELECT obj_description('sales'::regclass)"), "soon");
}

#[test]
fn the_registry_holds_where_the_manifest_cannot_be_written() {
    let rig = with(&["sum(amount)", "max(amount)"]);
    // No room for a name beside it.
    let long = format!("{}.toml", "s".repeat(245));
    let text = format!("name = \"sales\"\n{}", sales("max(amount)"));
    rig.remove("sales.toml");
    rig.write(&long, &text);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let out = rig.run(&["rollback", "sales"]).done();
    assert!(out.stderr.starts_with("warning: cannot write") && out.stderr.contains("; write `pin = 1` into"), "{out}");
    assert_eq!(out.stdout, "public.sales: version 1 is published instead of 2.\n");
    assert_eq!(rig.read(&long), text);
    for _ in 0..2 {
        assert!(rig.run(&["plan"]).done().stdout.starts_with("No changes."));
        rig.run(&["apply", "--auto-approve", "-q"]).done();
        assert_eq!(published(&rig), "1");
    }
    let out = rig.run(&["rollback", "sales", "--to", "2", "--format", "json"]).done();
    assert_eq!((&out.json()["file"], out.json()["published"].as_i64()), (&serde_json::Value::Null, Some(2)));
    assert_eq!(published(&rig), "2");
}

#[test]
fn a_query_in_a_file_of_its_own() {
    let rig = Rig::of(&[("project.toml", super::versions::PROJECT)]);
    rig.sql(super::rig::ORDERS);
    rig.write("sales.toml", "type = \"table\"\nquery_file = \"sales.sql\"\nversions = {}\n");
    for total in ["sum(amount)", "max(amount)"] {
        rig.write("sales.sql", &format!("SELECT day, {total} AS total FROM orders GROUP BY day"));
        rig.run(&["apply", "--auto-approve", "-q"]).done();
    }
    let query = rig.read("sales.sql");
    rig.run(&["rollback", "sales"]).done();
    assert_eq!((rig.read("sales.sql"), published(&rig)), (query, "1".to_owned()));
    rig.write("sales.toml", "type = \"table\"\nquery_file = \"sales.sql\"\nversions = {}\n");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(published(&rig), "1");
    // Its query is the mart's, too.
    rig.write("sales.sql", "SELECT day, min(amount) AS total FROM orders GROUP BY day");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(published(&rig), "3");
}

#[test]
fn a_lock_of_others_is_told_or_waited_for() {
    let rig = with(&["sum(amount)"]);
    rig.sql("CREATE FUNCTION pause() RETURNS int LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN 0; END'");
    let manifest = sales("max(amount) + pause()");
    apply(&rig, &manifest);
    let refresh = rig.hold("SELECT pg_advisory_xact_lock(4711)");
    rig.write("project.toml", "[project]\nname = \"shop\"\n[database]\nlock_timeout = \"60s\"\n");
    let at_work = rig.start(&["refresh", "sales"]);
    rig.until("SELECT count(*) > 0 FROM datamart.locks WHERE name = 'mart:public.sales'");
    let out = rig.run(&["rollback", "sales"]).ended(1);
    assert!(
        out.stderr.starts_with("error: the lock mart:public.sales is held by another session (datamart: "),
        "{out}"
    );
    assert!(out.stderr.contains("help: wait for it with --lock-timeout 5m"), "{out}");
    assert_eq!(rig.read("sales.toml"), manifest);
    let waits = rig.start(&["rollback", "sales", "--lock-timeout", "50s"]);
    // The row of the one that gave up may still be there.
    rig.until("SELECT count(*) > 0 FROM datamart.locks JOIN pg_stat_activity USING (pid) WHERE name = 'apply'");
    // And an apply says who holds its lock.
    let out = rig.run(&["apply", "--auto-approve", "-q"]).ended(1);
    assert!(out.stderr.starts_with("error: the lock apply is held by another session"), "{out}");
    refresh.release();
    at_work.finish().done();
    waits.finish().done();
    assert_eq!(published(&rig), "1");
}

#[test]
fn what_would_break_is_refused_before_anything_changes() {
    let rig = with(&["sum(amount)"]);
    apply(&rig, &sales("max(amount) AS most, sum(amount)"));
    let before = rig.read("sales.toml");
    rig.sql("CREATE VIEW theirs AS SELECT most FROM sales");
    let out = rig.run(&["rollback", "sales"]).ended(1);
    assert!(
        out.stdout.contains("Refused\n  BREAKS_DEPENDENTS public.theirs: the view public.theirs cannot follow"),
        "{out}"
    );
    let out = rig.run(&["rollback", "sales", "--format", "json"]).ended(1).json();
    assert_eq!(out["error"]["kind"], "refused");
    rig.sql("DROP VIEW theirs");
    rig.write("top.toml", "type = \"view\"\nquery = \"SELECT most FROM sales\"\n");
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let out = rig.run(&["rollback", "sales"]).ended(1);
    assert!(
        out.stderr.contains("column \"most\" does not exist") && out.stderr.contains("datamarts/top.toml:2:"),
        "{out}"
    );
    assert_eq!((rig.read("sales.toml"), published(&rig)), (before, "2".to_owned()));
    assert_eq!(rig.value("SELECT count(*) FROM top"), "20");
}

/// Everything that people gave the view and what reads it.
const KEPT: &str = "SELECT string_agg(concat_ws(' ', c.relname, c.relowner::regrole, (SELECT string_agg(acl::text, ',' ORDER BY acl::text) FROM unnest(c.relacl) AS acl), c.reloptions, obj_description(c.oid),
        (SELECT string_agg(concat_ws(':', a.attname, a.attacl, col_description(c.oid, a.attnum)), ',' ORDER BY a.attname)
           FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'total'),
        (SELECT string_agg(tgname, ',' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = c.oid)), E'\\n' ORDER BY c.relname)
    FROM pg_class AS c WHERE c.relname IN ('sales', 'top')";

#[test]
fn what_people_gave_the_view_stays() {
    let rig = with(&[]);
    let owner = format!("{}_owner", rig.database.name);
    let reader = format!("{}_reader", rig.database.name);
    rig.sql_as_superuser(&format!(
        "CREATE ROLE {owner}; CREATE ROLE {reader}; GRANT {owner} TO {role}; GRANT SELECT ON orders TO {owner}; \
         GRANT CREATE, USAGE ON SCHEMA public TO {owner}",
        role = super::rig::ROLE
    ));
    rig.write("top.toml", "type = \"view\"\nquery = \"SELECT day, total FROM sales\"\n");
    let sales = |columns: &str| {
        format!(
            "type = \"table\"\nowner = \"{owner}\"\nquery = \"SELECT {columns} FROM orders GROUP BY day\"\nprimary_key = [\"day\"]\n\
             columns = {{ total = {{ description = \"gross\" }} }}\nversions = {{}}\n"
        )
    };
    apply(&rig, &sales("day, sum(amount) AS total"));
    rig.sql_as_superuser(&format!(
        "COMMENT ON VIEW sales IS 'by hand'; GRANT SELECT ON sales TO {reader} WITH GRANT OPTION; GRANT SELECT (total) ON top TO {reader}; \
         COMMENT ON VIEW top IS 'top'; COMMENT ON COLUMN top.total IS 'theirs'; GRANT SELECT ON sales TO PUBLIC"
    ));
    let before = rig.value(KEPT);
    assert!(before.contains("by hand") && before.contains("gross") && before.contains("r*"), "{before}");
    // Other columns first, another order: neither can be put in place.
    for columns in
        ["max(amount) AS most, day, sum(amount) AS total", "count(*) AS total, day", "day, sum(amount) AS total"]
    {
        apply(&rig, &sales(columns));
        assert_eq!(rig.value(KEPT), before, "published: {columns}");
    }
    for number in ["2", "3", "4", "2"] {
        rig.run(&["rollback", "sales", "--to", number]).done();
        assert_eq!((published(&rig).as_str(), rig.value(KEPT)), (number, before.clone()));
    }
    assert_eq!(rig.value("SELECT count(*) FROM top"), "20");
}

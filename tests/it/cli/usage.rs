//! What is refused before anything begins, and projects from nothing.

use super::rig::{Rig, bare, finish, folder};

fn nowhere(args: &[&str]) -> super::rig::Out {
    let dir = folder(&[("one.toml", "type = \"view\"\nquery = \"SELECT 1 AS one\"\n")]);
    finish(bare(dir.path(), args), dir.path())
}

#[test]
fn help_lists_what_is_built() {
    let help = nowhere(&["--help"]).done();
    let commands = help.stdout.lines().skip_while(|line| *line != "Commands:").take_while(|line| *line != "Options:");
    insta::assert_snapshot!(commands.map(|line| format!("{line}\n")).collect::<String>(), @"
    Commands:
      init             Write a small working project
      validate         Read the manifests and report every problem; no database needed
      plan             Show what apply would do, and why
      apply            Bring the database to what the manifests say
      drift            Show what changed in the database behind the manifests' back
      check-migration  Show which marts someone's DDL would break, block or slow; nothing stays
      import           Write manifests for the views and materialized views that a database has
      refresh          Bring data up to date, in dependency order, in parallel
      daemon           Reconcile and refresh for ever: fresh on schedule, as the manifests say
      check            Run the data checks alone, on what is published
      status           Show how the marts are: state, freshness, last run
      list             List the marts
      stats            Show one mart: exact rows, size, columns, use of indexes, ages
      preview          Show some rows of a mart
      history          Show the runs of one or all marts
      versions         List the versions of a mart: number, rows, size, which one is published
      rollback         Publish an older version of a mart, at once, and pin it in its manifest
      diff             Compare two versions of a mart: definitions and rows
      verify           Compare marts with their queries, row by row
      explain          Show the plan of the refresh that would run now, its method and why
      drop             Remove a mart that no manifest declares
      suspend          Let no refresh of these marts begin by itself until they are resumed
      resume           Let refreshes of suspended marts begin by themselves again
      approve          Let the daemon apply the plan that waits, hazards included
      graph            Draw the marts, what they read and how they are: Mermaid, Graphviz or JSON
      schema           Print the JSON Schema of mart and project files
      completions      Print what a shell needs to complete our commands
      psql             Open the database with psql
      url              Print the database's URL, password included
      unlock           Show who holds our locks; end a session by its pid
      claim            Take over a registry that came with a restored or cloned database
    ");
    assert!(!help.stdout.contains("  advise "), "it is not built yet");
    assert_eq!(nowhere(&["advise"]).ended(1).stdout, "");
    assert_eq!(nowhere(&["--version"]).done().stdout, format!("datamart {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_number_below_zero_and_a_timeout_that_is_too_long() {
    let told = |args: &[&str]| nowhere(args).ended(1).stderr;
    for (args, wanted) in [
        (vec!["preview", "one", "--limit", "-1"], "-1 is not in 0..=10000"),
        (vec!["refresh", "--all", "--incremental", "--days", "-1"], "-1 is not in 1..="),
        (vec!["refresh", "--all", "--lock-timeout", "30d"], "PostgreSQL takes no timeout above 24 days"),
    ] {
        let said = told(&args);
        assert!(said.contains(wanted), "{said}");
    }
}

#[test]
fn every_command_has_help() {
    let help = nowhere(&["--help"]).done().stdout;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        let text = nowhere(&[name, "--help"]).done().stdout;
        assert!(text.contains(&format!("Usage: datamart {name}")), "{text}");
    }
}

#[test]
fn one_wait_is_enough() {
    let refused = nowhere(&["refresh", "--all", "--wait", "--lock-timeout", "1s"]).ended(1);
    assert!(refused.stderr.contains("'--wait' cannot be used with '--lock-timeout"), "{}", refused.stderr);
}

#[test]
fn usage_errors_are_1() {
    insta::assert_snapshot!(nowhere(&["plan", "--detailed-exit"]), @"
    exit 1
    --- stderr
    error: unexpected argument '--detailed-exit' found

      tip: a similar argument exists: '--detailed-exitcode'

    Usage: datamart plan --detailed-exitcode

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(nowhere(&["plan", "--detailed-exit", "--format", "json"]), @r#"
    exit 1
    --- stdout
    {
      "error": {
        "kind": "usage",
        "message": "unexpected argument '--detailed-exit' found",
        "file": null,
        "line": null,
        "column": null,
        "hint": "a similar argument exists: '--detailed-exitcode'",
        "problems": []
      }
    }
    "#);
    insta::assert_snapshot!(nowhere(&["--format=json", "aply"]), @r#"
    exit 1
    --- stdout
    {
      "error": {
        "kind": "usage",
        "message": "unrecognized subcommand 'aply'",
        "file": null,
        "line": null,
        "column": null,
        "hint": "a similar subcommand exists: 'apply'",
        "problems": []
      }
    }
    "#);
    insta::assert_snapshot!(nowhere(&[]), @"
    exit 1
    --- stderr
    error: 'datamart' requires a subcommand but one was not provided
      [subcommands: init, validate, plan, apply, drift, check-migration, import, refresh, daemon, check, status, list, stats, preview, history, versions, rollback, diff, verify, explain, drop, suspend, resume, approve, graph, schema, completions, psql, url, unlock, claim]

    Usage: datamart [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(nowhere(&["--format", "json"]), @r#"
    exit 1
    --- stdout
    {
      "error": {
        "kind": "usage",
        "message": "'datamart' requires a subcommand but one was not provided [subcommands: init, validate, plan, apply, drift, check-migration, import, refresh, daemon, check, status, list, stats, preview, history, versions, rollback, diff, verify, explain, drop, suspend, resume, approve, graph, schema, completions, psql, url, unlock, claim]",
        "file": null,
        "line": null,
        "column": null,
        "hint": null,
        "problems": []
      }
    }
    "#);
    insta::assert_snapshot!(nowhere(&["plan", "--format", "yaml"]), @"
    exit 1
    --- stderr
    error: invalid value 'yaml' for '--format <FORMAT>'
      [possible values: text, json, markdown]

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(nowhere(&["apply", "--lock-timeout", "soon"]), @r#"
    exit 1
    --- stderr
    error: invalid value 'soon' for '--lock-timeout <DURATION>': "soon" is not a duration

    For more information, try '--help'.
    "#);
    insta::assert_snapshot!(nowhere(&["apply", "FILE", "--select", "x"]), @"
    exit 1
    --- stderr
    error: the argument '[FILE]' cannot be used with '--select <SELECTOR>'

    Usage: datamart apply <FILE>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(nowhere(&["stats"]), @"
    exit 1
    --- stderr
    error: the following required arguments were not provided:
      <NAME>

    Usage: datamart stats <NAME>

    For more information, try '--help'.
    ");
}

#[test]
fn a_database_has_to_be_named() {
    insta::assert_snapshot!(nowhere(&["plan"]), @"
    exit 1
    --- stderr
    error: no database is named: give --database-url, set DATABASE_URL, write url under [database] in project.toml, or declare [embedded] there for a private server
    ");
    insta::assert_snapshot!(nowhere(&["status", "--format", "json"]), @r#"
    exit 1
    --- stdout
    {
      "error": {
        "kind": "config",
        "message": "no database is named: give --database-url, set DATABASE_URL, write url under [database] in project.toml, or declare [embedded] there for a private server",
        "file": null,
        "line": null,
        "column": null,
        "hint": null,
        "problems": []
      }
    }
    "#);
    let rig = Rig::shop();
    insta::assert_snapshot!(rig.run_on("", &["apply", "--auto-approve"]), @"
    exit 1
    --- stderr
    error: DATABASE_URL is given but empty
    ");
    insta::assert_snapshot!(rig.run_on("mysql://ana:s3cret@db/shop", &["plan"]), @"
    exit 1
    --- stderr
    error: DATABASE_URL: a database's address begins with postgres:// or postgresql://
    ");
    insta::assert_snapshot!(rig.run(&["plan", "--database-url", ""]), @"
    exit 1
    --- stderr
    error: --database-url is given but empty
    ");
    rig.write("project.toml", "[project]\nname = \"shop\"\n[database]\nurl = \"${PROD_URL}\"\n[embedded]\n");
    let mut command = bare(rig.folder.path(), &["plan"]);
    insta::assert_snapshot!(finish(command, rig.folder.path()), @"
    exit 1
    --- stderr
    error: url under [database] needs ${PROD_URL}, which is not set; set it, or give --database-url or DATABASE_URL
    ");
    command = bare(rig.folder.path(), &["plan", "-q"]);
    command.env("PROD_URL", &rig.url);
    finish(command, rig.folder.path()).done();
}

#[test]
fn a_folder_has_to_be_there() {
    let dir = folder(&[]);
    insta::assert_snapshot!(finish(bare(dir.path(), &["validate"]), dir.path()), @"
    exit 1
    --- stderr
    error: cannot read datamarts
      caused by: No such file or directory (os error 2)
    help: name the manifests' folder with --dir, or write a first project with `datamart init`
    ");
    insta::assert_snapshot!(finish(bare(dir.path(), &["validate", "--format", "json"]), dir.path()), @r#"
    exit 1
    --- stdout
    {
      "error": {
        "kind": "io",
        "message": "cannot read datamarts: No such file or directory (os error 2)",
        "file": null,
        "line": null,
        "column": null,
        "hint": "name the manifests' folder with --dir, or write a first project with `datamart init`",
        "problems": []
      }
    }
    "#);
}

#[test]
fn global_flags_stand_before_or_after() {
    let rig = Rig::shop();
    let before = rig.run(&["--format", "json", "--dir", "datamarts/archive", "validate"]).done();
    let after = rig.run(&["validate", "--dir", "datamarts/archive", "--format", "json"]).done();
    assert_eq!(before.stdout, after.stdout);
    let url = rig.url.clone();
    let flag = rig.run_on("postgres://nobody@127.0.0.1:1/none", &["--database-url", &url, "plan", "--format", "json"]);
    assert_eq!(flag.done().json()["changes"].as_array().map(Vec::len), Some(4));
    let always = rig.run(&["plan", "--color", "always"]).done().stdout;
    assert!(always.contains("\u{1b}[32m+"), "{always}");
    assert!(!rig.run(&["plan"]).done().stdout.contains('\u{1b}'));
}

#[test]
fn init_writes_a_project_that_works() {
    let dir = folder(&[]);
    std::fs::remove_dir(dir.path().join("datamarts")).ok();
    let run = |args: &[&str]| finish(bare(dir.path(), args), dir.path());
    insta::assert_snapshot!(run(&["init"]), @"
    exit 0
    --- stdout
    Wrote a project with two marts to ./datamarts. It uses a private PostgreSQL until DATABASE_URL names yours.

    Next:
      datamart plan       what would happen, and why
      datamart apply      make it so
      datamart status     look at it
    ");
    insta::assert_snapshot!(run(&["init"]), @"
    exit 1
    --- stderr
    error: ./datamarts/project.toml is there already
    help: `init` overwrites nothing; name another folder: `datamart init DIR`
    ");
    insta::assert_snapshot!(run(&["validate"]), @"
    exit 0
    --- stdout
    2 marts are valid.
    ");
    let out = run(&["apply", "--auto-approve"]).done();
    let marts: String =
        out.out().lines().skip_while(|line| !line.starts_with("Applied")).map(|l| format!("{l}\n")).collect();
    insta::assert_snapshot!(marts, @"
    Applied: 2 added, 0 changed, 0 replaced, 0 destroyed.
    mart                 type               status  rows   size
    public.daily_sales   materialized_view  active   ~60  32 kB
    public.top_products  view               active     -      -
    ");
    insta::assert_snapshot!(version(&out.err()), @"Using the embedded PostgreSQL VERSION (data in DIR/.datamart/postgres, made now).");
    insta::assert_snapshot!(run(&["plan", "-q"]), @"
    exit 0
    --- stdout
    No changes. 2 marts are up to date.
    ");
    insta::assert_snapshot!(run(&["refresh", "--all", "-q"]), @"
    exit 0
    --- stdout
    mart                status   method        rows  changed    took  why
    public.daily_sales  success  concurrently    60  +0 ~0 -0  0.00s  unique index, readers go on
    Refreshed 1 mart in 0.0 s, 60 rows.
    ");
    insta::assert_snapshot!(run(&["psql", "-Atc", "SELECT count(*) FROM daily_sales"]).done().out(), @"60");
    let json = run(&["init", "other", "--format", "json"]).done();
    insta::assert_snapshot!(json.out(), @r#"
    {
      "written": [
        "other/datamarts/project.toml",
        "other/datamarts/seed.sql",
        "other/datamarts/daily_sales.toml",
        "other/datamarts/top_products.toml",
        "other/datamarts/.schema/mart.json",
        "other/datamarts/.schema/project.json",
        "other/.gitignore"
      ]
    }
    "#);
    let named = std::fs::read_to_string(dir.path().join("other/datamarts/project.toml")).expect("a project");
    assert!(named.contains("\nname = \"other\"\n"), "{named}");
    insta::assert_snapshot!(run(&["init", "third"]).done().out(), @"
    Wrote a project with two marts to third/datamarts. It uses a private PostgreSQL until DATABASE_URL names yours.

    Next:
      cd third
      datamart plan       what would happen, and why
      datamart apply      make it so
      datamart status     look at it
    ");
    let elsewhere = run(&["init", "fourth", "--dir", "marts"]).done().out();
    assert!(elsewhere.contains("  cd fourth\n  datamart --dir marts plan "), "{elsewhere}");
}

/// Without the server's version.
fn version(text: &str) -> String {
    regex::Regex::new(r"PostgreSQL \d+\.\d+").expect("a pattern").replace_all(text, "PostgreSQL VERSION").into_owned()
}

//! What is refused before anything begins, and projects from nothing.

use super::rig::{Rig, bare, finish, folder};

fn nowhere(args: &[&str]) -> super::rig::Out {
    let dir = folder(&[("one.toml", "type = \"view\"\nquery = \"SELECT 1 AS one\"\n")]);
    finish(bare(dir.path(), args), dir.path())
}

#[test]
fn help_lists_what_is_built() {
    let help = nowhere(&["--help"]).done();
    insta::assert_snapshot!(help, @"");
    for missing in ["check", "daemon", "versions", "import", "verify", "advise", "graph", "suspend", "approve"] {
        assert!(!help.stdout.contains(&format!("  {missing} ")), "{missing} is not built yet");
        assert_eq!(nowhere(&[missing]).ended(1).stdout, "");
    }
    assert_eq!(nowhere(&["--version"]).done().stdout, format!("datamart {}\n", env!("CARGO_PKG_VERSION")));
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
fn usage_errors_are_1() {
    insta::assert_snapshot!(nowhere(&["plan", "--detailed-exit"]), @"");
    insta::assert_snapshot!(nowhere(&["plan", "--detailed-exit", "--format", "json"]), @"");
    insta::assert_snapshot!(nowhere(&["--format=json", "aply"]), @"");
    insta::assert_snapshot!(nowhere(&[]), @"");
    insta::assert_snapshot!(nowhere(&["--format", "json"]), @"");
    insta::assert_snapshot!(nowhere(&["plan", "--format", "yaml"]), @"");
    insta::assert_snapshot!(nowhere(&["apply", "--lock-timeout", "soon"]), @"");
    insta::assert_snapshot!(nowhere(&["apply", "FILE", "--select", "x"]), @"");
    insta::assert_snapshot!(nowhere(&["stats"]), @"");
}

#[test]
fn a_database_has_to_be_named() {
    insta::assert_snapshot!(nowhere(&["plan"]), @"");
    insta::assert_snapshot!(nowhere(&["status", "--format", "json"]), @"");
    let rig = Rig::shop();
    insta::assert_snapshot!(rig.run_on("", &["apply", "--auto-approve"]), @"");
    insta::assert_snapshot!(rig.run_on("mysql://ana:s3cret@db/shop", &["plan"]), @"");
    insta::assert_snapshot!(rig.run(&["plan", "--database-url", ""]), @"");
    rig.write("project.toml", "[project]\nname = \"shop\"\n[database]\nurl = \"${PROD_URL}\"\n[embedded]\n");
    let mut command = bare(rig.folder.path(), &["plan"]);
    insta::assert_snapshot!(finish(command, rig.folder.path()), @"");
    command = bare(rig.folder.path(), &["plan", "-q"]);
    command.env("PROD_URL", &rig.url);
    finish(command, rig.folder.path()).done();
}

#[test]
fn a_folder_has_to_be_there() {
    let dir = folder(&[]);
    insta::assert_snapshot!(finish(bare(dir.path(), &["validate"]), dir.path()), @"");
    insta::assert_snapshot!(finish(bare(dir.path(), &["validate", "--format", "json"]), dir.path()), @"");
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
    insta::assert_snapshot!(run(&["init"]), @"");
    insta::assert_snapshot!(run(&["init"]), @"");
    insta::assert_snapshot!(run(&["validate"]), @"");
    let out = run(&["apply", "--auto-approve"]).done();
    let marts: String = out.out().lines().skip_while(|line| !line.starts_with("Applied")).map(|l| format!("{l}\n")).collect();
    insta::assert_snapshot!(marts, @"");
    insta::assert_snapshot!(version(&out.err()), @"");
    insta::assert_snapshot!(run(&["plan", "-q"]), @"");
    insta::assert_snapshot!(run(&["refresh", "--all", "-q"]), @"");
    insta::assert_snapshot!(run(&["psql", "-Atc", "SELECT count(*) FROM daily_sales"]).done().out(), @"");
    let json = run(&["init", "other", "--format", "json"]).done();
    insta::assert_snapshot!(json.out(), @"");
    insta::assert_snapshot!(run(&["init", "third"]).done().out(), @"");
}

/// Without the server's version.
fn version(text: &str) -> String {
    regex::Regex::new(r"PostgreSQL \d+\.\d+").expect("a pattern").replace_all(text, "PostgreSQL VERSION").into_owned()
}

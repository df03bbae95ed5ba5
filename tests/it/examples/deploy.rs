//! `examples/deploy`: what it starts is a command of ours, what it reads is read, and nothing runs as root.

use std::process::Command;

use super::examples;
use super::readme::known;

fn read(name: &str) -> String {
    let path = examples().join("deploy").join(name);
    std::fs::read_to_string(path).expect("a file of the deployment")
}

/// The words of a list in brackets, as YAML and Dockerfiles write it; what stands for a value is one.
fn list(text: &str) -> Vec<String> {
    let inside = text.split_once('[').and_then(|(_, rest)| Some(rest.rsplit_once(']')?.0)).expect("a list");
    inside.split(", ").map(|word| word.trim_matches('"').to_owned()).collect()
}

/// Lines that say how the daemon is started.
fn line<'a>(text: &'a str, start: &str) -> &'a str {
    let found = text.lines().find_map(|line| line.trim_start().strip_prefix(start));
    found.unwrap_or_else(|| panic!("no line begins with {start}"))
}

/// The value of a variable, a commented one too.
fn values<'a>(environment: &'a str, name: &str) -> Vec<&'a str> {
    let lines = environment.lines().map(|line| line.trim_start_matches("# "));
    lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).collect()
}

#[test]
fn what_a_service_starts_is_a_command() {
    let sources = values(&read("environment"), "SOURCE").into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(sources.len(), 2, "a folder, a repository");
    let unit = read("datamart.service");
    let start = line(&unit, "ExecStart=/usr/local/bin/datamart ");
    let mut commands: Vec<Vec<String>> =
        sources.iter().map(|source| start.replace("$SOURCE", source).split(' ').map(str::to_owned).collect()).collect();
    commands.push(list(line(&read("Containerfile"), "CMD ")));
    commands.push(list(line(&read("compose.yaml"), "command: ")));
    commands.push(list(line(&read("kubernetes.yaml"), "args: ")));
    for args in commands {
        known(&args).unwrap_or_else(|error| panic!("{args:?}\n{error}"));
    }
}

#[test]
fn every_variable_of_the_environment_is_read() {
    let environment = read("environment");
    let mut names: Vec<&str> = environment
        .lines()
        .filter_map(|line| line.trim_start_matches("# ").split_once('=').map(|(name, _)| name))
        .filter(|name| name.starts_with("DATAMART_") || *name == "DATABASE_URL")
        .collect();
    names.dedup();
    assert!(names.len() >= 3, "{names:?}");
    let out = Command::new("grep").args(["-rhoE", "DATA[A-Z_]+", concat!(env!("CARGO_MANIFEST_DIR"), "/src")]).output();
    let read = String::from_utf8(out.expect("grep").stdout).expect("UTF-8");
    let unread: Vec<&&str> = names.iter().filter(|name| !read.lines().any(|word| word == **name)).collect();
    assert!(unread.is_empty(), "{unread:?}");
}

#[test]
fn systemd_takes_the_unit() {
    let unit = read("datamart.service");
    for setting in ["DynamicUser=yes", "NoNewPrivileges=yes", "ProtectSystem=strict", "Restart=on-failure"] {
        assert!(unit.lines().any(|line| line == setting), "{setting}");
    }
    assert!(!unit.contains("DATABASE_URL="), "a secret in a unit is everybody's");
    // Checked by systemd itself where there is one, with a program that is there.
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("datamart.service");
    let there = unit.replace("/usr/local/bin/datamart", env!("CARGO_BIN_EXE_datamart"));
    std::fs::write(&file, there).expect("a unit");
    if let Ok(out) = Command::new("systemd-analyze").arg("verify").arg(&file).output() {
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        let ours: Vec<&str> = said.lines().filter(|line| line.contains("datamart.service")).collect();
        assert!(out.status.success() && ours.is_empty(), "{said}");
    }
}

#[test]
fn no_container_runs_as_root() {
    let image = read("Containerfile");
    let stages: Vec<&str> = image.lines().filter(|line| line.starts_with("FROM ")).collect();
    assert_eq!(stages.len(), 2, "{stages:?}");
    let minimum = include_str!("../../../Cargo.toml").lines().find_map(|line| line.strip_prefix("rust-version = "));
    let minimum = minimum.expect("a version").trim_matches('"');
    assert!(stages[0].contains(&format!("rust:{minimum}-")), "{} builds with {minimum}", stages[0]);
    let user = line(&image, "USER ");
    assert!(user.parse::<u32>().is_ok_and(|user| user > 0), "{user}");
    // Nothing but a new program comes after it.
    assert!(image.rfind("USER ") > image.rfind("RUN "), "what is run after USER");
    assert!(line(&image, "HEALTHCHECK ").contains("/healthz"));
    let deployment = read("kubernetes.yaml");
    assert!(deployment.contains("runAsNonRoot: true") && deployment.contains(&format!("runAsUser: {user}")));
    assert!(deployment.contains("path: /healthz") && deployment.contains("path: /readyz"));
}

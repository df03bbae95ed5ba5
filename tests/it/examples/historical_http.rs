//! The README of `examples/historical_kpis`: each of its requests works as it stands there, but for the port.

use std::cell::Cell;
use std::net::TcpListener;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::readme::{blocks, shell};
use super::{Example, examples};
use crate::cli::rig::Running;
use crate::support::database::run;
use crate::support::wait::until;

const TOKEN: &str = "change-me";

/// The daemon of an example, on a port of its own; told to end with its test.
struct Daemon<'a> {
    example: &'a Example,
    port: u16,
    running: Option<Running>,
}

impl<'a> Daemon<'a> {
    fn start(example: &'a Example) -> Self {
        // Below those that the system gives to whoever asks for any: nobody takes it before the daemon does.
        let first = 20_000 + u16::try_from(std::process::id() % 5_000).expect("a port");
        let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        let port = (first..first + 5_000).find(free).expect("a free port");
        let mut command = example.command(&["daemon", "--http", &format!("127.0.0.1:{port}")]);
        command.env("DATAMART_API_TOKEN", TOKEN);
        let daemon = Self { example, port, running: Some(Running::start(command, Vec::new())) };
        run(until("the daemon is ready", async || daemon.shell("curl -fsS http://127.0.0.1:8080/readyz").is_some()));
        daemon
    }

    /// What a line of the README prints; `None` where it fails.
    fn shell(&self, line: &str) -> Option<String> {
        let mut command = Command::new("sh");
        command.args(["-euc", &line.replace("127.0.0.1:8080", &format!("127.0.0.1:{}", self.port))]);
        let out = self.example.finish(command);
        (out.code == Some(0)).then_some(out.stdout)
    }

    /// Ends it, as systemd does.
    fn stop(mut self) {
        let running = self.running.take().expect("a daemon");
        running.signal(Signal::SIGTERM);
        running.finish().done();
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.signal(Signal::SIGKILL);
        }
    }
}

/// The values of one key in the rows of an answer.
fn column<'a>(answer: &'a Value, list: &str, key: &str) -> Vec<&'a Value> {
    let rows = answer[list].as_array().unwrap_or_else(|| panic!("no {list} in {answer}"));
    rows.iter().map(|row| &row[key]).collect()
}

fn numbers(answer: &Value, list: &str, key: &str) -> Vec<f64> {
    column(answer, list, key).into_iter().map(|value| value.as_f64().expect("a number")).collect()
}

#[test]
fn the_requests_of_the_readme_work() {
    let mut example = Example::of("historical_kpis", "SET example.requests = '3000'");
    example.apply();
    let daemon = Daemon::start(&example);
    let readme = shell(&examples().join("historical_kpis/README.md"));
    let before: Vec<&String> =
        readme.iter().filter(|line| ["export ", "API=", "AUTH="].iter().any(|start| line.starts_with(start))).collect();
    let before = before.into_iter().cloned().collect::<Vec<_>>().join("\n");
    let mut requests = readme.iter().filter(|line| line.starts_with("curl "));
    let left = Cell::new(requests.clone().count());
    let mut ask = |what: &str| -> Value {
        let line = requests.next().unwrap_or_else(|| panic!("no request is left for {what}"));
        left.set(left.get() - 1);
        assert!(line.contains(what), "{what} was expected, not {line}");
        let answer = daemon.shell(&format!("{before}\n{line}")).unwrap_or_else(|| panic!("{line} fails"));
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {line}\n{answer}"))
    };
    let months = ask("mv_metricas_mensuales/rows");
    let months: Vec<&str> = column(&months, "rows", "mes").into_iter().filter_map(Value::as_str).collect();
    let mut sorted = months.clone();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    assert!(months.len() == 4 && months == sorted && months.iter().all(|month| month.ends_with("-01")), "{months:?}");
    let ranking = ask("mv_ranking_asesores/rows");
    let places = numbers(&ranking, "rows", "ranking_ciudad");
    assert!(places.len() >= 5 && places[0] == 1.0 && places.is_sorted(), "{ranking}");
    assert!(column(&ranking, "rows", "ciudad").into_iter().all(|city| city == "Medellín"), "{ranking}");
    let top = ask("tasa_exito_completo_pct");
    let rates = numbers(&top, "rows", "tasa_exito_completo_pct");
    assert!(rates.len() == 5 && rates.is_sorted_by(|a, b| a >= b), "{top}");
    assert_eq!(top["rows"][0].as_object().expect("a row").len(), 3, "{top}");
    let cities = ask("mv_resumen_ciudades/rows");
    assert_eq!(column(&cities, "rows", "ciudad").len(), 20);
    let status = ask("/marts -d stats=true");
    let mut rows: Vec<i64> = column(&status, "marts", "row_count").into_iter().filter_map(Value::as_i64).collect();
    rows.sort_unstable();
    assert_eq!(rows, [20, 24, 200], "{status}");
    let health = ask("/healthz");
    assert_eq!((&health["status"], column(&health, "datamarts", "name").len()), (&"healthy".into(), 3), "{health}");
    let refreshed = ask("/refresh?wait=true");
    let outcomes = column(&refreshed, "runs", "status");
    assert!(outcomes.len() == 3 && outcomes.into_iter().all(|status| status == "success"), "{refreshed}");
    let scheduler = ask("/scheduler");
    // What follows a run may still be told as due.
    let due = column(&scheduler, "next", "at").into_iter().filter_map(Value::as_str);
    assert_eq!(due.filter(|at| at.contains("T06:00:00")).count(), 2, "{scheduler}");
    let triggered = ask("mv_ranking_asesores/refresh");
    let number = triggered["runs"][0]["run"].as_i64().expect("a run's number");
    run(until("the run that was triggered ends well", async || {
        let asked = format!("curl -fsS http://127.0.0.1:8080/api/v1/runs/{number}");
        daemon.shell(&asked).is_some_and(|answer| answer.contains("\"success\""))
    }));
    let moved = ask("mv_metricas_mensuales/schedule");
    assert_eq!(column(&moved, "overrides", "what"), ["schedule"], "{moved}");
    run(until("the changed schedule holds", async || {
        let answer = daemon.shell("curl -fsS http://127.0.0.1:8080/api/v1/scheduler");
        answer.is_some_and(|answer| answer.contains("T07:30:00"))
    }));
    let drift = example.run(&["drift", "-q"]).ended(2);
    assert!(drift.stdout.contains("-0 1 * * *") && drift.stdout.contains("+30 2 * * *"), "{drift}");
    assert_eq!(left.get(), 0, "requests that nothing is expected of");
    let sql = blocks(&examples().join("historical_kpis/README.md"), "sql");
    let statements: Vec<&str> = sql.split_terminator(";\n").collect();
    assert_eq!(statements.len(), 3, "{sql}");
    let told = example.sql(&statements);
    assert!(told.lines().count() >= 3 + 1 + 7, "{told}");
    daemon.stop();
}

//! The real program, asked over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::rig::TOKEN;
use crate::support::database::{Database, run};
use crate::support::folder::Folder;

/// A daemon; it ends when dropped.
struct Daemon {
    child: Child,
    address: String,
    /// Its log goes on.
    log: Option<std::thread::JoinHandle<String>>,
}

fn start(database: &Database, folder: &Folder) -> Daemon {
    let mut child = Command::new(env!("CARGO_BIN_EXE_datamart"))
        .args(["daemon", "--http", "127.0.0.1:0", "--log", "json", "--dir"])
        .arg(folder.path())
        .args(["--database-url", database.endpoint.url()])
        .env("DATAMART_API_TOKEN", TOKEN)
        .env_remove("DATABASE_URL")
        .stderr(Stdio::piped())
        .spawn()
        .expect("a daemon");
    let mut log = BufReader::new(child.stderr.take().expect("a log"));
    let mut told = String::new();
    let address = loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).expect("a line") > 0, "it ended: {told}");
        told.push_str(&line);
        if line.contains("answering over HTTP") {
            let at = line.find("127.0.0.1:").expect("an address");
            break line[at..].chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
        }
    };
    let log = std::thread::spawn(move || {
        let _ = log.read_to_string(&mut told);
        told
    });
    Daemon { child, address, log: Some(log) }
}

impl Daemon {
    fn ask(&self, method: &str, path: &str) -> (u16, Value) {
        self.send(method, path, "")
    }

    fn send(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("to send");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (answer[9..12].parse().expect("a status"), serde_json::from_str(body).unwrap_or_default())
    }

    fn end(mut self) -> (Option<i32>, String) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a number"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("to tell it");
        let status = self.child.wait().expect("an end");
        (status.code(), self.log.take().and_then(|log| log.join().ok()).unwrap_or_default())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A test that failed has said so already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_daemon_is_asked_and_answers() {
    run(async {
        let database = Database::new().await;
        database.script("CREATE TABLE orders AS SELECT i AS id FROM generate_series(1, 10) AS i").await;
        let folder = Folder::of(&[
            ("sales.toml", "type = \"table\"\nquery = \"SELECT id FROM orders\"\nprimary_key = [\"id\"]\n"),
            ("total.toml", "type = \"materialized_view\"\nquery = \"SELECT count(*) AS n FROM sales\"\n"),
        ]);
        let daemon = start(&database, &folder);
        let is = async |path: &str, status: u16| {
            crate::support::wait::until(path, async || daemon.ask("GET", path).0 == status).await;
        };
        is("/readyz", 200).await;
        is("/api/v1/marts/total/rows", 200).await;
        assert_eq!(daemon.ask("GET", "/api/v1/scheduler").1["leadership"], "leading");
        let applied = async || daemon.ask("GET", "/api/v1/plan").1["reconcile"]["status"] == "applied";
        crate::support::wait::until("it tells how the revision went", applied).await;
        database.script("INSERT INTO orders VALUES (11)").await;
        let (status, told) = daemon.ask("POST", "/api/v1/refresh?wait=true&timeout=60");
        assert_eq!(
            (status, &told["summary"]["refreshed"], &told["summary"]["failed"]),
            (200, &2.into(), &0.into()),
            "{told:#}"
        );
        assert_eq!(daemon.ask("GET", "/api/v1/marts/total/rows").1["rows"][0]["n"], 11);
        // One mart: those that read it follow, in the daemon.
        database.script("INSERT INTO orders VALUES (12)").await;
        assert_eq!(daemon.ask("POST", "/api/v1/marts/sales/refresh?wait=true").0, 200);
        let follows = async || daemon.ask("GET", "/api/v1/marts/total/rows").1["rows"][0]["n"] == 12;
        crate::support::wait::until("the other follows", follows).await;
        // A schedule that was changed beside the manifests shows as drift, until it is what they say.
        let (status, told) = daemon.send("PUT", "/api/v1/marts/total/schedule", r#"{"schedule": "30 2 * * *"}"#);
        assert_eq!(status, 200, "{told:#}");
        let drift = || daemon.ask("GET", "/api/v1/drift").1["drift"].clone();
        let differs = async || drift()[0]["address"] == "public.total" && drift()[0]["aspect"] == "schedule";
        crate::support::wait::until("the changed schedule is drift", differs).await;
        // When it runs next says the view as HTTP does: who leads writes it there.
        let next = async || {
            let view = "SELECT to_char(next_run AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM datamart.status WHERE mart = 'total'";
            let view = database.value(&format!("SELECT coalesce(({view}), 'none')")).await;
            view.ends_with("T02:30:00Z") && daemon.ask("GET", "/api/v1/marts/total").1["next_run"] == view.as_str()
        };
        crate::support::wait::until("all say when it runs", next).await;
        assert_eq!(daemon.send("PUT", "/api/v1/marts/total/schedule", r#"{"schedule": null}"#).0, 200);
        crate::support::wait::until("nothing differs any more", async || drift() == serde_json::json!([])).await;
        let (code, log) = daemon.end();
        assert_eq!(code, Some(0), "{log}");
        assert!(!log.contains(TOKEN), "{log}");
    });
}

#[test]
fn what_others_could_reach_is_refused_without_a_token() {
    run(async {
        let database = Database::new().await;
        let folder = Folder::of(&[("one.toml", "type = \"view\"\nquery = \"SELECT 1 AS n\"\n")]);
        let refused = Command::new(env!("CARGO_BIN_EXE_datamart"))
            .args(["daemon", "--http", "0.0.0.0:0", "--dir"])
            .arg(folder.path())
            .args(["--database-url", database.endpoint.url()])
            .env_remove("DATAMART_API_TOKEN")
            .output()
            .expect("an end");
        let said = String::from_utf8(refused.stderr).expect("UTF-8");
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("set DATAMART_API_TOKEN, or listen on 127.0.0.1"), "{said}");
    });
}

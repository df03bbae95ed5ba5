//! Clients that are wrong, slow, many or gone; a database that is.

use std::time::{Duration, Instant};

use datamart::database::Endpoint;
use datamart::reconcile::Vitals;
use datamart::serve::{self, Site};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::rig::{Rig, TOKEN, keys};
use crate::support::database::run;
use crate::support::wait::until;

#[test]
fn what_is_nowhere_and_what_is_otherwise_is_a_problem() {
    run(async {
        let rig = Rig::shop().await;
        for path in [
            "/nowhere",
            "/api",
            "/api/v1/",
            "/api/v1/marts/",
            "/api/v1/marts/sales/",
            "/api/v1/marts/sales/nothing",
            "//",
            "/%2e%2e/etc",
        ] {
            rig.get(path).await.of(404);
        }
        for (method, path, allowed) in [
            ("POST", "/api/v1/marts", "GET, HEAD"),
            ("DELETE", "/api/v1/marts/sales", "GET, HEAD"),
            ("GET", "/api/v1/refresh", "POST"),
            ("GET", "/api/v1/marts/sales/schedule", "PUT"),
            ("OPTIONS", "/healthz", "GET, HEAD"),
            ("TRACE", "/", "GET, HEAD"),
            ("PATCH", "/webhook", "POST"),
        ] {
            let reply = rig.ask(method, path, &[], "").await;
            reply.of(405);
            assert_eq!(reply.header("allow"), allowed, "{method} {path}");
        }
        let head = rig.ask("HEAD", "/api/v1/marts", &[], "").await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert!(head.header("content-length").parse::<usize>().is_ok_and(|length| length > 100));
    });
}

#[test]
fn what_is_sent_is_read_within_bounds() {
    run(async {
        let rig = Rig::shop().await;
        let long = format!("{{\"select\": \"{}\"}}", "a".repeat(70_000));
        rig.post("/api/v1/refresh", &long).await.of(413);
        let bearer = format!("Bearer {TOKEN}");
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""] {
            let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
            rig.ask("POST", "/api/v1/refresh", &headers, "{}").await.of(415);
        }
        let json = [("authorization", bearer.as_str()), ("content-type", "Application/JSON; charset=utf-8")];
        rig.ask("POST", "/api/v1/refresh", &json, "{}").await.of(202);
        rig.post("/api/v1/refresh", &"[".repeat(5_000)).await.of(400);
        // Too many headers, a line that is too long, no HTTP at all: the connection is over.
        let many: String = (0..200).map(|i| format!("x-{i}: 1\r\n")).collect();
        let reply = rig.raw(format!("GET / HTTP/1.1\r\nhost: localhost\r\n{many}\r\n").as_bytes()).await;
        assert!(reply.is_some_and(|reply| reply.status == 431));
        let reply =
            rig.raw(format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "a".repeat(20_000)).as_bytes()).await;
        assert!(reply.is_some_and(|reply| [414, 431].contains(&reply.status)));
        let reply = rig.raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").await;
        assert!(reply.is_none_or(|reply| reply.status == 400));
        rig.get("/api/v1/marts").await.of(200);
    });
}

#[test]
fn a_daemon_that_nobody_asks_holds_no_session() {
    run(async {
        let rig = Rig::shop().await;
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'datamart: http'";
        for _ in 0..3 {
            rig.get("/api/v1/marts/sales/rows?id=eq.x").await.of(400);
            rig.get("/api/v1/marts/sales/rows").await.of(200);
        }
        assert!(rig.database.value(sessions).await.parse::<u32>().is_ok_and(|sessions| sessions <= 1));
        let idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'datamart: http' AND state <> 'idle'";
        until("nothing is open in it", async || rig.database.value(idle).await == "0").await;
        until("it is closed", async || rig.database.value(sessions).await == "0").await;
    });
}

#[test]
fn a_session_that_was_killed_is_replaced() {
    run(async {
        let rig = Rig::shop().await;
        rig.get("/api/v1/marts").await.of(200);
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'datamart: http'";
        assert_eq!(rig.database.value(kill).await, "1");
        let there = kill.replace("pg_terminate_backend(pid)", "*");
        until("the session is gone", async || rig.database.value(&there).await == "0").await;
        rig.get("/api/v1/marts").await.of(200);
    });
}

#[test]
fn many_at_once_are_answered_or_told_to_come_again() {
    run(async {
        let rig = Rig::shop().await;
        let asked = (0..100).map(|_| rig.get("/api/v1/marts/sales/rows?limit=5"));
        let replies = futures_util::future::join_all(asked).await;
        let good = replies.iter().filter(|reply| reply.status == 200).count();
        let busy =
            replies.iter().filter(|reply| reply.status == 503 && !reply.header("retry-after").is_empty()).count();
        assert_eq!(good + busy, 100);
        // Sixty-four may wait, each for some seconds.
        assert!(good >= 40, "{good}");
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'datamart: http'";
        assert!(rig.database.value(sessions).await.parse::<u32>().is_ok_and(|sessions| sessions <= 4));
    });
}

#[test]
fn who_says_nothing_holds_up_nobody_and_the_daemon_ends() {
    run(async {
        let mut rig = Rig::shop().await;
        let mut silent = Vec::new();
        for i in 0..50 {
            let mut stream = rig.connect().await;
            if i % 2 == 0 {
                stream.write_all(b"GET /api/v1/marts HTTP/1.1\r\nhost: loc").await.expect("to send");
            }
            silent.push(stream);
        }
        rig.get("/api/v1/marts").await.of(200);
        // An idle connection that may be used again, too.
        let mut kept = rig.connect().await;
        kept.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("to send");
        let mut some = [0; 64];
        assert!(kept.read(&mut some).await.is_ok_and(|read| read > 0));
        let began = Instant::now();
        rig.end();
        // What was sent in part would be waited for longer, and what is idle for ever.
        assert!(began.elapsed() < Duration::from_secs(13), "{:?}", began.elapsed());
    });
}

#[test]
fn a_database_out_of_reach_is_told_and_the_process_is_well() {
    run(async {
        let rig = Rig::shop().await;
        let desired = rig.vitals.borrow().desired.clone();
        let (_vitals, vitals) = watch::channel(Vitals { desired, ..Vitals::default() });
        let endpoint = Endpoint::from_url("postgres://ana:s3cret@127.0.0.1:1/shop").expect("an endpoint");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
        let address = listener.local_addr().expect("an address");
        let site = Site { endpoint, vitals, keys: keys(), clock: chrono::Utc::now };
        let lost = async {
            let mut told = Vec::new();
            for path in [
                "/api/v1/marts",
                "/api/v1/marts/sales/rows",
                "/api/v1/runs",
                "/",
                "/healthz",
                "/readyz",
                "/api/v1/openapi.json",
            ] {
                let mut stream = tokio::net::TcpStream::connect(address).await.expect("a connection");
                let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
                stream.write_all(request.as_bytes()).await.expect("to send");
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await.expect("an answer");
                assert!(!answer.contains("s3cret") && !answer.contains("127.0.0.1:1"), "{answer}");
                let again = answer.contains("retry-after: 5");
                told.push((path, answer[9..12].to_owned(), again));
            }
            told
        };
        let told = tokio::select! {
            told = lost => told,
            served = serve::serve(listener, site, std::future::pending()) => panic!("{served:?}"),
        };
        let statuses: Vec<&str> = told.iter().map(|(_, status, _)| status.as_str()).collect();
        assert_eq!(statuses, ["503", "503", "503", "503", "200", "503", "200"], "{told:?}");
        assert!(told.iter().all(|(_, status, again)| (status == "503") == *again), "{told:?}");
    });
}

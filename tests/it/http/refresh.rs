//! Asking for refreshes.

use datamart::database::LockSession;
use serde_json::{Value, json};
use sqlx::Row;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

use super::rig::{Rig, TOKEN};
use crate::support::database::run;
use crate::support::wait::until;

async fn queued(rig: &Rig) -> String {
    let sql = "SELECT coalesce(string_agg(mart || ' ' || status, ', ' ORDER BY run), 'none') FROM datamart.refreshes WHERE cause = 'request'";
    rig.database.value(sql).await
}

/// Ends what waits, as a daemon does.
async fn end_all(rig: &Rig) {
    until("a run waits", async || queued(rig).await.contains("queued")).await;
    let ended = "UPDATE datamart.refreshes SET status = 'success', method = 'merge', row_count = 7, finished_at = now(), duration_ms = 1 WHERE status = 'queued'";
    rig.database.script(ended).await;
}

#[test]
fn a_request_is_accepted_with_its_run() {
    run(async {
        let rig = Rig::shop().await;
        let reply = rig.post("/api/v1/marts/sales/refresh", "{\"how\": \"full\", \"concurrent\": true}").await;
        let told = reply.of(202);
        let number = told["runs"][0]["run"].as_i64().expect("a number");
        assert_eq!(reply.header("location"), format!("/api/v1/runs/{number}"));
        assert_eq!((&told["runs"][0]["mart"], &told["runs"][0]["status"]), (&json!("public.sales"), &json!("queued")));
        assert_eq!(rig.get(&format!("/api/v1/runs/{number}")).await.of(200)["status"], "queued");
        assert_eq!(rig.get("/api/v1/scheduler").await.of(200)["queued"][0]["run"], number);
        // Asking again for what waits already is the same request.
        let again = rig.post("/api/v1/marts/sales/refresh", "{\"concurrent\": true, \"how\": \"full\"}").await.of(202);
        assert_eq!(again["runs"][0]["run"], number);
        let row = sqlx::query("SELECT options::text, requested_by FROM datamart.refreshes WHERE run = $1").bind(number);
        let row = row.fetch_one(&mut rig.database.session().await).await.expect("a row");
        assert_eq!(row.get::<String, _>(0), "{\"how\": \"full\", \"concurrent\": true}");
        assert_eq!(row.get::<String, _>(1), "http:api-token");
        let audit = "SELECT who || ' ' || action || ' ' || address || ' ' || (detail ->> 'how') FROM datamart.audit WHERE action = 'refresh'";
        assert_eq!(rig.database.value(audit).await, "http:api-token refresh public.sales full");
    });
}

#[test]
fn nobody_waits_for_a_mart_that_is_computed() {
    run(async {
        let rig = Rig::shop().await;
        // As a refresh without CONCURRENTLY holds it.
        let mut computing = rig.database.session().await;
        sqlx::raw_sql("BEGIN; REFRESH MATERIALIZED VIEW public.totals")
            .execute(&mut computing)
            .await
            .expect("a refresh");
        for path in
            ["/api/v1/marts", "/api/v1/marts?stats=true", "/api/v1/marts/totals", "/api/v1/marts/top", "/healthz"]
        {
            rig.get(path).await.of(200);
        }
        rig.post("/api/v1/marts/sales/refresh", "").await.of(202);
        rig.post("/api/v1/marts/totals/refresh", "").await.of(202);
    });
}

#[test]
fn all_or_a_selection_in_order() {
    run(async {
        let rig = Rig::shop().await;
        let selected = rig.post("/api/v1/refresh", "{\"select\": \"sales+\"}").await.of(202);
        let names = |told: &Value| -> Vec<String> {
            told["runs"]
                .as_array()
                .expect("runs")
                .iter()
                .map(|run| run["mart"].as_str().expect("a name").to_owned())
                .collect()
        };
        assert_eq!(names(&selected), ["public.sales", "public.totals"]);
        let all = rig.post("/api/v1/refresh", "").await.of(202);
        assert_eq!(names(&all).len(), 4);
        // A source table: what reads it.
        let readers = rig.post("/api/v1/refresh", "{\"select\": \"orders+\"}").await.of(202);
        assert_eq!(names(&readers), ["public.sales", "public.totals", "public.snap"]);
        assert_eq!(rig.post("/api/v1/refresh", "{\"select\": \"state:failed\"}").await.of(202)["runs"], json!([]));
        for (body, status) in [
            ("{\"select\": \"nobody\"}", 400),
            ("{\"select\": \"tag:dayly\"}", 400),
            ("{\"select\": \"sales,totals\"}", 400),
            ("{\"select\": \"state:failed,tag:dayly\"}", 400),
            ("{\"select\": \"\"}", 400),
            ("{\"select\": 7}", 400),
            ("{\"selekt\": \"sales\"}", 400),
            ("{\"how\": \"quickly\"}", 400),
            ("{\"days\": 2}", 400),
            ("{\"how\": \"incremental\", \"days\": 0}", 400),
            ("{\"how\": \"incremental\", \"days\": -1}", 400),
            ("[", 400),
            ("null", 400),
        ] {
            let reply = rig.post("/api/v1/refresh", body).await;
            assert_eq!(reply.status, status, "{body}: {}", reply.text());
        }
        let problem = async |body: &str| rig.post("/api/v1/refresh", body).await.of(400)["detail"].clone();
        assert_eq!(
            problem("{\"select\": \"tag:dayly\"}").await,
            json!("no mart has the tag dayly; did you mean daily?")
        );
        assert_eq!(problem("{\"select\": \"sales,totals\"}").await, json!("no mart is selected by sales,totals"));
        // What is selected beside a tag that nobody has is refreshed, and the tag told.
        let some = rig.post("/api/v1/refresh", "{\"select\": \"sales tag:dayly\"}").await.of(202);
        assert_eq!(
            (names(&some), &some["warnings"]),
            (vec!["public.sales".to_owned()], &json!(["no mart has the tag dayly; did you mean daily?"]))
        );
        rig.post("/api/v1/marts/sales/refresh", "{\"select\": \"totals\"}").await.of(400);
        rig.post("/api/v1/marts/top/refresh", "").await.of(409);
        rig.post("/api/v1/marts/nobody/refresh", "").await.of(404);
    });
}

#[test]
fn who_refreshes_already_is_told() {
    run(async {
        let rig = Rig::shop().await;
        let endpoint = &rig.database.endpoint;
        let mut locks = LockSession::open(endpoint, "datamart", "default", "refresh lock").await.expect("a session");
        locks.acquire("mart:public.sales", Duration::ZERO).await.expect("the lock");
        let begun = format!(
            "INSERT INTO datamart.refreshes (project, schema, mart, status, started_at, pid) VALUES ('default', 'public', 'sales', 'running', clock_timestamp(), {})",
            locks.pid()
        );
        rig.database.script(&begun).await;
        let told = rig.post("/api/v1/marts/sales/refresh", "").await.of(409);
        let holder = &told["holder"];
        assert_eq!((&holder["pid"], &holder["run"]), (&json!(locks.pid()), &json!(1)));
        assert_eq!(holder["application"], "datamart: refresh lock");
        assert!(holder["since"].is_string() && holder["host"].is_string(), "{told}");
        // Among others it is named, and the others run.
        let told = rig.post("/api/v1/refresh", "").await.of(202);
        assert_eq!(
            (told["runs"].as_array().map(Vec::len), &told["busy"][0]["mart"]),
            (Some(3), &json!("public.sales"))
        );
        assert!(!queued(&rig).await.contains("sales"));
        locks.close().await.expect("an end");
        rig.post("/api/v1/marts/sales/refresh", "").await.of(202);
    });
}

#[test]
fn who_waits_gets_the_results() {
    run(async {
        let rig = Rig::shop().await;
        let asked = rig.post("/api/v1/refresh?wait=true", "{\"select\": \"sales totals\"}");
        let (reply, ()) = futures_util::future::join(asked, end_all(&rig)).await;
        let told = reply.of(200);
        assert_eq!(told["summary"]["refreshed"], 2);
        assert_eq!((&told["summary"]["rows"], &told["runs"][0]["status"]), (&json!(14), &json!("success")));
        // Who waits no longer is told what it has begun.
        let told = rig.post("/api/v1/marts/sales/refresh?wait=true&timeout=0", "").await.of(202);
        assert_eq!(told["runs"][0]["status"], "queued");
        for query in ["wait=yes", "timeout=-1", "timeout=3601", "waait=true"] {
            rig.post(&format!("/api/v1/marts/sales/refresh?{query}"), "").await.of(400);
        }
    });
}

#[test]
fn who_goes_away_does_not_stop_the_run() {
    run(async {
        let rig = Rig::shop().await;
        let mut stream = rig.connect().await;
        let request = format!(
            "POST /api/v1/marts/sales/refresh?wait=true HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 0\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("to send");
        until("the run waits", async || queued(&rig).await == "sales queued").await;
        drop(stream);
        // The session of who went away goes, the run stays.
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'datamart: http'";
        until("nobody waits", async || rig.database.value(sessions).await == "0").await;
        assert_eq!(queued(&rig).await, "sales queued");
    });
}

#[test]
fn who_waits_is_answered_when_the_daemon_ends() {
    run(async {
        let mut rig = Rig::shop().await;
        let mut stream = rig.connect().await;
        let request = format!(
            "POST /api/v1/marts/sales/refresh?wait=true HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\ncontent-length: 0\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.expect("to send");
        until("the run waits", async || queued(&rig).await == "sales queued").await;
        rig.end();
        let mut answer = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer).await.expect("an answer");
        let answer = String::from_utf8(answer).expect("UTF-8");
        assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
        assert_eq!(queued(&rig).await, "sales queued");
    });
}

#[test]
fn runs_are_listed_and_cancelled() {
    run(async {
        let rig = Rig::shop().await;
        rig.post("/api/v1/refresh", "{\"select\": \"sales totals\"}").await.of(202);
        let runs = rig.get("/api/v1/runs?limit=1").await.of(200);
        assert_eq!(
            (runs["runs"].as_array().map(Vec::len), &runs["runs"][0]["mart"]),
            (Some(1), &json!("public.totals"))
        );
        let history = rig.get("/api/v1/marts/sales/history").await.of(200);
        assert_eq!(
            (history["runs"].as_array().map(Vec::len), &history["runs"][0]["mart"]),
            (Some(1), &json!("public.sales"))
        );
        let number = history["runs"][0]["run"].as_i64().expect("a number");
        let cancelled = rig.post(&format!("/api/v1/runs/{number}/cancel"), "").await.of(200);
        assert_eq!(
            (&cancelled["status"], &cancelled["error"]["message"]),
            (&json!("cancelled"), &json!("cancelled by http:api-token"))
        );
        assert_eq!(rig.post(&format!("/api/v1/runs/{number}/cancel"), "").await.of(409)["run"]["run"], number);
        rig.post("/api/v1/runs/4711/cancel", "").await.of(404);
        for bad in ["x", "-1", "1e3", "9223372036854775808"] {
            rig.get(&format!("/api/v1/runs/{bad}")).await.of(400);
        }
        rig.get("/api/v1/runs/9223372036854775807").await.of(404);
        assert_eq!(rig.database.value("SELECT count(*) FROM datamart.audit WHERE action = 'cancel'").await, "1");
    });
}

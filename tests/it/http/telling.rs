//! What is told: marts, health, plans, the scheduler, the page; and what holds instead of a manifest.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use datamart::database::LockSession;
use datamart::reconcile::{Leadership, Vitals};
use datamart::state::QName;
use serde_json::{Value, json};

use super::rig::{Rig, TOKEN};
use crate::support::database::run;

fn names(told: &Value) -> Vec<&str> {
    told["marts"].as_array().expect("marts").iter().map(|mart| mart["name"].as_str().expect("a name")).collect()
}

#[test]
fn marts_as_the_commands_tell_them() {
    run(async {
        let rig = Rig::shop().await;
        let all = rig.get("/api/v1/marts").await.of(200);
        assert_eq!(names(&all), ["Odd One", "sales", "snap", "top", "totals"]);
        assert!(all["marts"][1].get("row_count").is_none() && all["marts"][1]["columns"].as_array().is_some());
        let stats = rig.get("/api/v1/marts?stats=true&select=tag:daily").await.of(200);
        assert_eq!((names(&stats), &stats["marts"][0]["size"].is_string()), (vec!["sales"], &true));
        assert_eq!(names(&rig.get("/api/v1/marts?select=sales%2B").await.of(200)), ["sales", "top", "totals"]);
        assert_eq!(names(&rig.get("/api/v1/marts?select=state:stale").await.of(200)), Vec::<&str>::new());
        for query in ["select=nobody", "select=(", "select=", "stats=maybe", "selekt=sales"] {
            rig.get(&format!("/api/v1/marts?{query}")).await.of(400);
        }
        let one = rig.get("/api/v1/marts/sales").await.of(200);
        assert_eq!(
            (&one["type"], &one["status"], &one["description"]),
            (&json!("table"), &json!("active"), &json!("all <b>orders</b>"))
        );
        assert!(one["next_run"].is_string());
        // Who leads knows when it is really due.
        let due = DateTime::from_timestamp(4_000_000_000, 0).expect("a time");
        rig.vitals.send_modify(|vitals| {
            vitals.next.insert(QName::new("public", "sales"), due);
        });
        for path in ["/api/v1/marts/sales", "/api/v1/marts/sales/stats"] {
            assert_eq!(rig.get(path).await.of(200)["next_run"], json!("2096-10-02T07:06:40Z"), "{path}");
        }
        assert_eq!(rig.get("/api/v1/marts").await.of(200)["marts"][1]["next_run"], json!("2096-10-02T07:06:40Z"));
        let stats = rig.get("/api/v1/marts/sales/stats").await.of(200);
        assert_eq!((&stats["row_count"], stats.get("estimated")), (&json!(500), None));
        let preview = rig.get("/api/v1/marts/totals/preview").await.of(200);
        assert_eq!((&preview["preview_count"], &preview["total_rows"]), (&json!(10), &json!(10)));
        let versions = rig.get("/api/v1/marts/snap/versions").await.of(200);
        assert_eq!((&versions["current"], &versions["versions"][0]["version"]), (&json!(1), &json!(1)));
        rig.get("/api/v1/marts/sales/versions").await.of(409);
    });
}

/// A daemon that starts with wrong manifests refreshes what was applied, and tells of it.
#[test]
fn without_manifests_metrics_go_by_what_was_applied() {
    run(async {
        let rig = Rig::shop().await;
        let of = |text: &str| -> Vec<String> {
            let told = text.lines().filter(|line| line.starts_with("datamart_freshness{"));
            told.map(str::to_owned).collect()
        };
        let before = of(&rig.get("/metrics").await.text());
        assert!(before.iter().any(|line| line.contains("public.sales")), "{before:?}");
        rig.vitals.send_modify(|vitals| {
            // What was counted is told again while the daemon has as much to do.
            vitals.running = 7;
            let mut desired = vitals.desired.as_deref().expect("manifests").clone();
            desired.marts.clear();
            vitals.desired = Some(Arc::new(desired));
        });
        let after = rig.get("/metrics").await.text();
        assert!(after.contains("datamart_running 7"), "{after}");
        assert_eq!(of(&after), before);
    });
}

#[test]
fn health_and_readiness_are_what_is_known() {
    run(async {
        let rig = Rig::shop().await;
        let told = rig.get("/healthz").await.of(200);
        assert_eq!(told["status"], "healthy");
        let of = |told: &Value| {
            told["datamarts"].as_array().expect("marts").iter().map(|m| m["name"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(of(&told).len(), 5);
        assert!(told["datamarts"][1]["age_seconds"].is_i64() && told["datamarts"][1]["warning"].is_null());
        assert_eq!(rig.get("/readyz").await.of(200), json!({ "status": "ready", "leadership": "leading" }));
        let metrics = rig.get("/metrics").await.text();
        assert!(
            metrics.contains("datamart_up 1") && metrics.contains("datamart_rows_total{datamart=\"public.sales\"}"),
            "{metrics}"
        );
        rig.vitals.send_modify(|vitals| vitals.leadership = Leadership::Following);
        assert_eq!(rig.get("/readyz").await.of(200)["leadership"], "following");
        rig.vitals.send_modify(|vitals| {
            vitals.connected = false;
            vitals.leadership = Leadership::Unknown;
            vitals.trouble = Some("no connection".to_owned());
        });
        let missing = rig.get("/readyz").await.of(503);
        assert_eq!(missing["missing"], json!(["PostgreSQL is not reached", "it is not known who leads"]));
        let told = rig.get("/healthz").await.of(200);
        assert_eq!(told["status"], "degraded");
        // What went wrong is for those who may read.
        assert!(!told.to_string().contains("no connection"));
        assert_eq!(rig.get("/api/v1/scheduler").await.of(200)["trouble"], "no connection");
        let metrics = rig.get("/metrics").await;
        assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
        assert!(metrics.text().contains("datamart_up 0") && metrics.text().ends_with("# EOF\n"), "{}", metrics.text());
        rig.vitals.send_replace(Vitals::default());
        rig.get("/api/v1/marts").await.of(503);
        rig.get("/").await.of(503);
        rig.get("/api/v1/openapi.json").await.of(200);
    });
}

#[test]
fn a_mart_that_failed_is_warned_about() {
    run(async {
        let rig = Rig::shop().await;
        let failed = "INSERT INTO datamart.refreshes (project, schema, mart, status, finished_at, error) \
                      VALUES ('default', 'public', 'sales', 'failed', now(), '{\"kind\": \"data\", \"message\": \"division by zero\"}')";
        rig.database.script(failed).await;
        let told = rig.get("/healthz").await.of(200);
        assert_eq!(
            (&told["status"], &told["datamarts"][1]["warning"]),
            (&json!("degraded"), &json!("division by zero"))
        );
        assert_eq!(names(&rig.get("/api/v1/marts?select=state:failed").await.of(200)), ["sales"]);
    });
}

#[test]
fn data_that_grows_old_is_warned_about_and_data_that_is_too_old_is_unhealthy() {
    for (hours, told_status, warning) in
        [(13, "healthy", "its data grows old"), (25, "degraded", "its data is too old")]
    {
        run(async {
            let rig = Rig::shop().await;
            let aged = format!(
                "UPDATE datamart.marts SET created_at = now() - interval '{hours} hours' WHERE name = 'Odd One'"
            );
            rig.database.script(&aged).await;
            let told = rig.get("/healthz").await.of(200);
            assert_eq!(
                (&told["status"], &told["datamarts"][0]["warning"]),
                (&json!(told_status), &json!(warning)),
                "{told}"
            );
        });
    }
}

#[test]
fn the_page_is_one_page() {
    run(async {
        let rig = Rig::shop().await;
        rig.vitals.send_modify(|vitals| vitals.next = BTreeMap::from([(QName::new("public", "snap"), Utc::now())]));
        let page = rig.get("/").await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
        assert!(page.header("content-security-policy").contains("default-src 'none'"));
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        let text = page.text();
        for part in
            ["public.sales", "Other", "all &lt;b&gt;orders&lt;/b&gt;", "materialized_view", "this daemon is leading"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        for foreign in ["http:", "https:", "src=", "<script", "<b>"] {
            assert!(!text.contains(foreign), "{foreign}: {text}");
        }
    });
}

#[test]
fn what_holds_instead_of_the_manifest() {
    run(async {
        let rig = Rig::shop().await;
        let suspended = rig.post("/api/v1/marts/sales/suspend", "").await.of(200);
        assert_eq!(
            (&suspended["mart"], &suspended["overrides"][0]["what"]),
            (&json!("public.sales"), &json!("suspend"))
        );
        assert_eq!(rig.get("/api/v1/scheduler").await.of(200)["suspended"][0]["who"], "http:api-token");
        assert_eq!(rig.get("/api/v1/marts/sales").await.of(200)["suspended"], true);
        assert_eq!(rig.post("/api/v1/marts/sales/resume", "").await.of(200)["overrides"], json!([]));
        let put = async |body: &str| rig.change("PUT", "/api/v1/marts/sales/schedule", body).await;
        let told = put("{\"schedule\": \"30 2 * * *\"}").await.of(200);
        assert_eq!(told["overrides"][0]["schedule"], json!(["30 2 * * *"]));
        assert_eq!(rig.get("/api/v1/marts/sales").await.of(200)["rescheduled"]["schedule"], json!(["30 2 * * *"]));
        assert_eq!(
            put("{\"schedule\": [\"5m\", \"@daily\"]}").await.of(200)["overrides"][0]["schedule"],
            json!(["5m", "@daily"])
        );
        assert_eq!(put("{\"schedule\": null}").await.of(200)["overrides"], json!([]));
        for bad in [
            "",
            "{}",
            "{\"schedule\": \"61 * * * *\"}",
            "{\"schedule\": []}",
            "{\"schedule\": 5}",
            "{\"schedule\": [5]}",
            "[]",
            "[\"1h\"]",
            "{\"schedule\": \"1h\", \"more\": 1}",
            "{\"schedule\": \"0 0 31 2 *\"}",
            "\u{0}",
        ] {
            let reply = put(bad).await;
            assert!([400, 415].contains(&reply.status), "{bad}: {}", reply.text());
            assert!(!reply.text().contains("struct"), "{bad}: {}", reply.text());
        }
        let reply = rig.change("POST", "/api/v1/refresh", "[\"tag:inc\", null, null, null]").await;
        assert!(reply.of(400)["detail"].as_str().is_some_and(|told| told.contains("JSON object")), "{}", reply.text());
        rig.change("PUT", "/api/v1/marts/top/schedule", "{\"schedule\": \"1h\"}").await.of(409);
        rig.change("PUT", "/api/v1/marts/nobody/schedule", "{\"schedule\": \"1h\"}").await.of(404);
        rig.post("/api/v1/marts/nobody/suspend", "").await.of(404);
        let audit = "SELECT string_agg(action || ' ' || address || ' ' || who, ', ' ORDER BY id) FROM datamart.audit WHERE who LIKE 'http:%'";
        let rows = rig.database.value(audit).await;
        assert!(
            rows.starts_with(
                "suspend public.sales http:api-token, resume public.sales http:api-token, schedule public.sales"
            ),
            "{rows}"
        );
    });
}

#[test]
fn what_is_approved_is_what_was_looked_at() {
    run(async {
        let rig = Rig::shop().await;
        let nothing = rig.get("/api/v1/plan").await.of(200);
        assert_eq!(
            (&nothing["changes"], &nothing["fingerprint"], &nothing["reconcile"]),
            (&json!([]), &Value::Null, &Value::Null)
        );
        assert_eq!(rig.get("/api/v1/drift").await.of(200)["drift"], json!([]));
        let print = format!("sha256:{}", "ab".repeat(32));
        rig.post(&format!("/api/v1/plans/{print}/approve"), "").await.of(404);
        let pending = format!(
            "INSERT INTO datamart.reconciles (project, status, reason, message, fingerprint, plan, drift, drift_at)
             VALUES ('default', 'pending', 'ApprovalNeeded', 'DELETES_DATA', '{print}',
                     '{{\"format_version\": \"1.0\", \"fingerprint\": \"{print}\", \"refused\": [],
                        \"changes\": [{{\"address\": \"public.sales\", \"action\": \"replace\", \"before\": {{}}}}]}}',
                     '[{{\"address\": \"public.totals\", \"type\": \"materialized_view\", \"aspect\": \"owner\", \"message\": \"owner was changed\",
                        \"expected\": \"a\", \"actual\": \"b\", \"diff\": \"\"}}]', now())"
        );
        // What drifted is told where nothing waits, too.
        let drifted = pending.replace("'pending', 'ApprovalNeeded', 'DELETES_DATA'", "'applied', NULL, NULL");
        rig.database.script(&drifted.replacen(&format!("'{print}',"), "NULL,", 1)).await;
        assert_eq!(rig.get("/api/v1/plan").await.of(200)["drift"][0]["address"], "public.totals");
        rig.database.script("DELETE FROM datamart.reconciles").await;
        rig.database.script(&pending).await;
        let plan = rig.get("/api/v1/plan").await.of(200);
        assert_eq!((&plan["fingerprint"], &plan["reconcile"]["status"]), (&json!(print), &json!("pending")));
        assert_eq!(rig.get("/api/v1/drift").await.of(200)["drift"][0]["address"], "public.totals");
        assert_eq!(names(&rig.get("/api/v1/marts?select=state:changed").await.of(200)), ["sales"]);
        assert_eq!(names(&rig.get("/api/v1/marts?select=state:drifted").await.of(200)), ["totals"]);
        let other = rig.post(&format!("/api/v1/plans/{}/approve", "cd".repeat(32)), "").await.of(409);
        assert_eq!(other["fingerprint"], print.as_str());
        for unclear in ["ab", "sha256:", "nonsense", "%27%20OR%201=1"] {
            rig.post(&format!("/api/v1/plans/{unclear}/approve"), "").await.of(400);
        }
        let told = rig.post("/api/v1/plans/abababab/approve", "").await.of(202);
        assert_eq!((&told["fingerprint"], &told["already"]), (&json!(print), &json!(false)));
        assert_eq!(rig.post(&format!("/api/v1/plans/{print}/approve"), "").await.of(202)["already"], true);
        let approved = "SELECT approved || ' ' || approved_by FROM datamart.reconciles";
        assert_eq!(rig.database.value(approved).await, format!("{print} http:api-token"));
    });
}

#[test]
fn the_scheduler_tells_who_leads_and_what_is_due() {
    run(async {
        let rig = Rig::shop().await;
        let at = Utc::now();
        rig.vitals.send_modify(|vitals| {
            vitals.next = BTreeMap::from([(QName::new("public", "sales"), at)]);
            vitals.paused = Some("a replica is 7 min behind".to_owned());
        });
        rig.database
            .script("INSERT INTO datamart.leaders (project, epoch, host, process, backend) VALUES ('default', 7, 'here', 1, 1)")
            .await;
        let told = rig.get("/api/v1/scheduler").await.of(200);
        assert_eq!((&told["leader"]["epoch"], &told["leader"]["alive"]), (&json!(7), &json!(false)));
        let since = told["leader"]["since"].as_str().unwrap_or_default();
        assert!(since.ends_with('Z') && DateTime::parse_from_rfc3339(since).is_ok(), "{since}");
        assert_eq!((&told["leadership"], &told["paused"]), (&json!("leading"), &json!("a replica is 7 min behind")));
        assert_eq!(told["next"], json!([{ "mart": "public.sales", "at": at }]));
        assert!(!rig.get("/api/v1/scheduler").await.text().contains(TOKEN));
        assert_eq!((&told["queue_depth"], &told["schedule_lag_seconds"]), (&json!(0), &json!(0.0)));
        // Who follows tells what the daemon that leads says in the registry, as long as it leads.
        rig.vitals.send_modify(|vitals| (vitals.leadership, vitals.next) = (Leadership::Following, BTreeMap::new()));
        rig.database
            .script("INSERT INTO datamart.due (project, schema, name, epoch, at) VALUES ('default', 'public', 'sales', 7, '2100-01-01 00:00Z')")
            .await;
        assert_eq!(rig.get("/api/v1/scheduler").await.of(200)["next"], json!([]));
        let mut leader =
            LockSession::open(&rig.database.endpoint, "datamart", "default", "leader").await.expect("a session");
        leader.acquire("leader", Duration::ZERO).await.expect("the lock");
        rig.database.script(&format!("UPDATE datamart.leaders SET backend = {}", leader.pid())).await;
        let told = rig.get("/api/v1/scheduler").await.of(200);
        assert_eq!(told["next"], json!([{ "mart": "public.sales", "at": "2100-01-01T00:00:00Z" }]));
        assert_eq!((&told["queue_depth"], &told["schedule_lag_seconds"]), (&Value::Null, &Value::Null));
    });
}

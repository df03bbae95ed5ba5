//! Who may do what.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sqlx::postgres::PgListener;
use tokio::net::TcpListener;

use super::rig::{READER, Rig, SECRET, TOKEN, keys};
use crate::support::database::run;
use datamart::serve::{self, Keys};

const READS: [&str; 12] = [
    "/",
    "/api/v1/openapi.json",
    "/api/v1/marts",
    "/api/v1/marts/sales",
    "/api/v1/marts/sales/rows",
    "/api/v1/marts/sales/stats",
    "/api/v1/marts/sales/history",
    "/api/v1/marts/sales/preview",
    "/api/v1/runs",
    "/api/v1/plan",
    "/api/v1/drift",
    "/api/v1/scheduler",
];
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

#[test]
fn off_loopback_all_but_three_paths_need_a_token() {
    run(async {
        let rig = Rig::with("0.0.0.0:0", keys(), |_| {}).await;
        for path in OPEN {
            assert_eq!(rig.ask("GET", path, &[("host", "marts.example.com")], "").await.status, 200, "{path}");
            // Balancers and probes add parameters of their own.
            for query in ["x=1", "verbose", "cb=%", "%00=1"] {
                let reply = rig.ask("GET", &format!("{path}?{query}"), &[("host", "marts.example.com")], "").await;
                assert_eq!(reply.status, 200, "{path}?{query}");
            }
        }
        for path in READS.iter().chain(&["/nowhere", "/api/v1/marts/nobody"]) {
            let refused = rig.ask("GET", path, &[("host", "marts.example.com")], "").await;
            refused.of(401);
            assert_eq!(refused.header("www-authenticate"), "Bearer realm=\"datamart\"");
            rig.ask("GET", path, &[("authorization", "Bearer wrong")], "").await.of(401);
        }
        for token in [READER, TOKEN] {
            let bearer = format!("Bearer {token}");
            for path in READS {
                let reply = rig.ask("GET", path, &[("authorization", &bearer)], "").await;
                assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            }
            rig.ask("GET", "/nowhere", &[("authorization", &bearer)], "").await.of(404);
        }
        let reader = format!("Bearer {READER}");
        for (path, status) in
            [("/api/v1/marts/sales/suspend", 403), ("/api/v1/refresh", 403), ("/api/v1/runs/1/cancel", 403)]
        {
            rig.ask("POST", path, &[("authorization", &reader)], "").await.of(status);
            rig.ask("POST", path, &[], "").await.of(401);
        }
        rig.post("/api/v1/marts/sales/suspend", "").await.of(200);
    });
}

#[test]
fn on_loopback_reading_is_free_and_changing_is_not() {
    run(async {
        let rig = Rig::shop().await;
        for path in READS.iter().chain(&OPEN) {
            assert_eq!(rig.get(path).await.status, 200, "{path}");
            rig.ask("GET", path, &[("host", "evil.example.com")], "").await.of(403);
        }
        rig.ask("POST", "/api/v1/marts/sales/suspend", &[], "").await.of(401);
        let bearer = format!("Bearer {TOKEN}");
        let evil = [("host", "evil.example.com"), ("authorization", bearer.as_str())];
        rig.ask("POST", "/api/v1/marts/sales/suspend", &evil, "").await.of(403);
        rig.ask("GET", "http://evil.example.com/api/v1/marts", &[], "").await.of(403);
        // HTTP/1.0 needs no Host, and gets nothing without it.
        let reply = rig.raw(b"GET /api/v1/marts HTTP/1.0\r\n\r\n").await.expect("an answer");
        reply.of(403);
        assert_eq!(rig.database.value("SELECT count(*) FROM datamart.audit WHERE action = 'suspend'").await, "0");
    });
}

#[test]
fn without_a_token_nothing_is_changed_and_nothing_is_served_to_others() {
    run(async {
        let rig = Rig::with("127.0.0.1:0", Keys::default(), |_| {}).await;
        rig.get("/api/v1/marts").await.of(200);
        rig.post("/api/v1/marts/sales/suspend", "").await.of(403);
        rig.ask("POST", "/webhook", &[("x-hub-signature-256", "sha256=00")], "{}").await.of(403);
        let refused = serve::listen("0.0.0.0:0", &Keys::default()).await.map(drop);
        assert!(refused.expect_err("refused").to_string().contains("DATAMART_API_TOKEN"));
        assert!(serve::listen("0.0.0.0:0", &keys()).await.is_ok());
        assert!(serve::listen("localhost:0", &Keys::default()).await.is_ok());
        assert!(serve::listen("nonsense", &keys()).await.is_err());
        // Whoever binds for us is not believed either.
        let listener = TcpListener::bind("0.0.0.0:0").await.expect("an address");
        let vitals = rig.vitals.subscribe();
        let site = serve::Site {
            endpoint: rig.database.endpoint.clone(),
            vitals,
            keys: Keys::default(),
            clock: chrono::Utc::now,
        };
        assert!(serve::serve(listener, site, std::future::pending()).await.is_err());
    });
}

fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

#[test]
fn a_signed_webhook_makes_the_daemons_look_at_git() {
    run(async {
        let rig = Rig::shop().await;
        let mut listener = PgListener::connect(rig.database.endpoint.url()).await.expect("a listener");
        listener.listen("datamart_wake").await.expect("to listen");
        let body = "{\"ref\": \"refs/heads/main\"}".repeat(1_000);
        for wrong in ["", "sha256=", "sha256=zz", "sha1=00", &signature("another", &body), &signature(SECRET, "other")]
        {
            let refused = rig.ask("POST", "/webhook", &[("x-hub-signature-256", wrong)], &body).await;
            refused.of(401);
            assert!(!refused.header("www-authenticate").contains("Bearer"), "no token helps");
        }
        let right = signature(SECRET, &body);
        rig.ask("POST", "/webhook", &[("x-hub-signature-256", &right)], &body).await.of(202);
        let woken = listener.recv().await.expect("a notification");
        let woken: serde_json::Value = serde_json::from_str(woken.payload()).expect("JSON");
        assert_eq!(woken, serde_json::json!({ "project": "default", "what": "revision" }));
        let audit =
            "SELECT string_agg(who || ' ' || action || ' ' || host, ',') FROM datamart.audit WHERE action = 'webhook'";
        assert_eq!(rig.database.value(audit).await, "http:webhook webhook 127.0.0.1");
    });
}

//! The rows of a mart.

use serde_json::{Value, json};

use super::rig::{Rig, keys};
use crate::support::database::run;
use crate::support::project::{converge, load};

async fn ids(rig: &Rig, query: &str) -> Vec<i64> {
    let reply = rig.get(&format!("/api/v1/marts/sales/rows?select=id&{query}")).await.of(200);
    reply["rows"].as_array().expect("rows").iter().map(|row| row["id"].as_i64().expect("an id")).collect()
}

#[test]
fn filters_are_what_they_say() {
    run(async {
        let rig = Rig::shop().await;
        for (query, expected) in [
            ("id=eq.7", vec![7]),
            ("id=gte.498&id=lt.500&order=id.desc", vec![499, 498]),
            ("id=in.(3,1,2)&order=id", vec![1, 2, 3]),
            ("id=in.5", vec![5]),
            ("category=eq.c3&order=id&limit=2&offset=1", vec![13, 23]),
            ("day=eq.2026-01-08", vec![7]),
            ("at=eq.2026-01-01T03:00:00%2B00:00", vec![3]),
            ("mood=gt.ok&order=id&limit=1", vec![2]),
            ("mood=in.(happy)&id=lte.5&order=id", vec![2, 5]),
            ("good=is.true&order=id&limit=2", vec![2, 4]),
            ("good=is.false&order=id&limit=2", vec![1, 3]),
            ("category=is.null", vec![]),
            ("category=like.c%25&id=lte.1", vec![1]),
            ("category=ilike.C1&order=id&limit=1", vec![1]),
            ("amount=eq.7.5", vec![7]),
            ("amount=neq.7.5&id=lte.8&id=gt.6", vec![8]),
            // A length would cut the value off, and find what is not it.
            ("note=eq.n1abcdefgh", vec![]),
            ("limit=0", vec![]),
        ] {
            assert_eq!(ids(&rig, query).await, expected, "{query}");
        }
        let page = rig.get("/api/v1/marts/sales/rows?limit=2&order=id").await.of(200);
        assert_eq!((&page["count"], &page["more"], &page["limit"]), (&json!(2), &json!(true), &json!(2)));
        assert_eq!(page["columns"][3], json!({ "name": "amount", "type": "numeric(20,4)" }));
        let first = json!({ "id": 1, "day": "2026-01-02", "category": "c1", "amount": 1.5, "mood": "ok", "good": false,
                            "at": "2026-01-01T01:00:00+00:00", "note": "n1", "doc": { "i": 1 } });
        assert_eq!(page["rows"][0], first);
        // As exact as the server has it.
        assert!(rig.get("/api/v1/marts/sales/rows?id=eq.1").await.text().contains("\"amount\":1.5000"));
        let last = rig.get("/api/v1/marts/sales/rows?limit=500").await.of(200);
        assert_eq!((&last["count"], &last["more"]), (&json!(500), &json!(false)));
    });
}

#[test]
fn marts_are_named_as_everywhere() {
    run(async {
        let rig = Rig::shop().await;
        for name in
            ["sales", "public.sales", "Other.Odd%20One", "%22Other%22.%22Odd%20One%22", "Odd%20One", "top", "snap"]
        {
            rig.get(&format!("/api/v1/marts/{name}/rows")).await.of(200);
        }
        let odd = rig.get("/api/v1/marts/Odd%20One/rows?%22limit%22=eq.1&a%20b=eq.x&order=%22limit%22.desc,a%20b&select=%22a%20b%22").await;
        assert_eq!(odd.of(200)["rows"], json!([{ "a b": "x" }]));
        // Columns whose names a query of ours might mean something else by.
        let row = json!([{ "limit": 1, "a b": "x", "r": 2, "t": 3 }]);
        for what in ["rows", "preview"] {
            assert_eq!(rig.get(&format!("/api/v1/marts/Odd%20One/{what}")).await.of(200)["rows"], row, "{what}");
        }
        let missing = rig.get("/api/v1/marts/slaes/rows").await.of(404);
        assert!(missing["detail"].as_str().expect("a detail").contains("did you mean sales?"), "{missing}");
        for name in ["sal*", "s%3Fles", "orders", "public.orders", "pg_class", "%2E%2E", "a%2Fb", "x%27%20OR%201=1"] {
            rig.get(&format!("/api/v1/marts/{name}/rows")).await.of(404);
        }
        rig.get("/api/v1/marts/%ff/rows").await.of(400);
        rig.get("/api/v1/marts/%00/rows").await.of(400);
    });
}

#[test]
fn what_cannot_be_read_is_the_callers_mistake() {
    run(async {
        let rig = Rig::shop().await;
        for query in [
            "nothing=eq.1",
            "id=eq.x",
            "id=eq.",
            "id=eq.99999999999999999999",
            "id=7",
            "id=eq",
            "category=like.c%25%5C",
            "id=like.1",
            "mood=ilike.g%25",
            "mood=eq.angry",
            "day=gt.2026-13-01",
            "good=is.maybe",
            "id=is.true",
            "doc=eq.1",
            "order=doc",
            "order=id.up",
            "order=id;DROP%20TABLE%20orders",
            "order=",
            "select=",
            "select=id,id",
            "select=count(*)",
            "limit=-1",
            "limit=10001",
            "limit=x",
            "limit=1&limit=2",
            "offset=-1",
            "offset=9223372036854775808",
            "category=eq.%00",
            "category=eq.%ff",
            "%00=eq.1",
            "id=eq.1%27%20OR%20%271%27=%271",
            "id%3D1%20OR%201=eq.1",
            "ctid=eq.(0,1)",
            "tableoid=eq.1",
        ] {
            let reply = rig.get(&format!("/api/v1/marts/sales/rows?{query}")).await;
            assert_eq!(reply.status, 400, "{query}: {}", reply.text());
            reply.of(400);
        }
        // What only looks like an attack is a value like any other.
        for value in ["x%27;%20DROP%20TABLE%20orders;--", "%22", "%5C", "%F0%9F%90%98", "$1", "%25s%25n", "a%2Cb"] {
            for operator in ["eq", "neq", "gt", "ilike", "in"] {
                let value = if operator == "ilike" { value.replace("%5C", "x") } else { value.to_owned() };
                let reply = rig.get(&format!("/api/v1/marts/sales/rows?category={operator}.{value}&limit=1")).await;
                assert_eq!(reply.status, 200, "{operator}.{value}: {}", reply.text());
            }
        }
        assert_eq!(rig.database.value("SELECT count(*) FROM orders").await, "500");
        let many = (0..51).map(|i| format!("id=neq.{i}")).collect::<Vec<_>>().join("&");
        rig.get(&format!("/api/v1/marts/sales/rows?{many}")).await.of(400);
    });
}

#[test]
fn rows_are_read_as_the_role_that_reads_for_others() {
    run(async {
        let role = std::cell::RefCell::new(String::new());
        let rig = Rig::with("127.0.0.1:0", keys(), |desired| {
            *role.borrow_mut() = format!("api_{}", std::process::id());
            desired.project.http.read_role = Some(role.borrow().clone());
        })
        .await;
        let role = role.into_inner();
        // No such role yet: that is nobody's secret, and no caller's mistake.
        assert_eq!(rig.get("/api/v1/marts/sales/rows").await.of(503)["kind"], "config");
        rig.database.script(&format!("CREATE ROLE {role}; GRANT USAGE ON SCHEMA public TO {role}")).await;
        rig.get("/api/v1/marts/sales/rows").await.of(403);
        rig.get("/api/v1/marts/sales/preview").await.of(403);
        rig.database
            .script(&format!(
                "GRANT SELECT ON sales TO {role}; ALTER TABLE sales ENABLE ROW LEVEL SECURITY;
                 CREATE POLICY few ON sales TO {role} USING (id <= 3)"
            ))
            .await;
        assert_eq!(rig.get("/api/v1/marts/sales/rows").await.of(200)["count"], 3);
        let preview = rig.get("/api/v1/marts/sales/preview?limit=2").await.of(200);
        assert_eq!((&preview["total_rows"], &preview["preview_count"]), (&json!(3), &json!(2)));
        rig.database.script(&format!("DROP POLICY few ON sales; DROP OWNED BY {role}; DROP ROLE {role}")).await;
    });
}

#[test]
fn a_tag_changes_with_what_it_is_of() {
    run(async {
        let rig = Rig::shop().await;
        let path = "/api/v1/marts/sales/rows?id=eq.1";
        let first = rig.get(path).await;
        let tag = first.header("etag").to_owned();
        assert!(tag.len() > 10 && first.header("cache-control").contains("no-cache"));
        let again = rig.ask("GET", path, &[("if-none-match", &tag)], "").await;
        assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, tag.as_str()));
        rig.ask("GET", "/api/v1/marts/sales/rows?id=eq.2", &[("if-none-match", &tag)], "").await.of(200);
        // Another snapshot, though with the same row.
        let run = "INSERT INTO datamart.refreshes (project, schema, mart, status, finished_at) VALUES ('default', 'public', 'sales', 'success', now())";
        rig.database.script(run).await;
        let after = rig.ask("GET", path, &[("if-none-match", &tag)], "").await;
        after.of(200);
        assert_ne!(after.header("etag"), tag);
        // The same snapshot, and somebody's hand in it.
        let tag = after.header("etag").to_owned();
        rig.database.script("UPDATE sales SET note = 'other' WHERE id = 1").await;
        rig.ask("GET", path, &[("if-none-match", &tag)], "").await.of(200);
        for path in ["/api/v1/marts", "/api/v1/marts/sales", "/api/v1/runs", "/api/v1/plan", "/api/v1/openapi.json"] {
            let tag = rig.get(path).await.header("etag").to_owned();
            let again = rig.ask("GET", path, &[("if-none-match", &tag)], "").await;
            assert_eq!(again.status, 304, "{path}: {tag}");
        }
    });
}

#[test]
fn what_is_declared_and_not_applied_is_not_somebody_elses_table() {
    run(async {
        let rig = Rig::shop().await;
        let folder =
            crate::support::folder::Folder::of(&[("orders.toml", "type = \"view\"\nquery = \"SELECT 1 AS n\"\n")]);
        let mut desired = load(folder.path());
        desired.project.name = "default".to_owned();
        rig.vitals.send_modify(|vitals| vitals.desired = Some(std::sync::Arc::new(desired)));
        rig.get("/api/v1/marts/orders/rows").await.of(409);
        rig.get("/api/v1/marts/orders/preview").await.of(409);
        assert_eq!(rig.get("/api/v1/marts/orders").await.of(200)["status"], "creating");
        // A mart without a manifest is there until it is pruned.
        rig.get("/api/v1/marts/sales/rows").await.of(200);
        let names: Value = rig.get("/api/v1/marts").await.of(200);
        assert!(names["marts"].as_array().expect("marts").len() > 5);
    });
}

#[test]
fn extensions_compare_as_they_do_at_home() {
    run(async {
        let rig = Rig::shop().await;
        let has = "SELECT count(*) FROM pg_available_extensions WHERE name = 'citext'";
        if rig.database.value(has).await == "0" {
            return;
        }
        rig.database.script("CREATE EXTENSION citext; CREATE TABLE words AS SELECT 'Ada'::citext AS word").await;
        let folder = crate::support::folder::Folder::of(&[(
            "names.toml",
            "type = \"table\"\nquery = \"SELECT word FROM words\"\n",
        )]);
        converge(&rig.database, folder.path(), &datamart::plan::Options::default()).await;
        let desired = load(folder.path());
        rig.vitals.send_modify(|vitals| vitals.desired = Some(std::sync::Arc::new(desired)));
        assert_eq!(rig.get("/api/v1/marts/names/rows?word=eq.ADA&order=word").await.of(200)["count"], 1);
    });
}

//! Partitioned marts on the command line: how they are told, how they are taken over.

use serde_json::json;

use super::rig::Rig;

const SALES: &str = "type = \"partitioned_table\"\nquery = \"SELECT day, country, count(*) AS n FROM orders GROUP BY 1, 2\"\n\
    primary_key = [\"day\", \"country\"]\n[partition]\nby = \"range\"\ncolumn = \"day\"\ninterval = \"1 month\"\npremake = 0\n\
    [refresh.incremental]\nmethod = \"partition\"\ntime_column = \"day\"\nlookback = \"7 days\"\nfrozen_before = \"45 days\"\n";

const ORDERS: &str = "CREATE TABLE orders (day date, country text);
    INSERT INTO orders SELECT (date_trunc('month', now()) - d * interval '1 month')::date, (ARRAY['DE', 'FR'])[1 + d % 2] FROM generate_series(0, 3) AS d";

fn shop(partition: &str) -> Rig {
    let rig = Rig::of(&[("sales.toml", &SALES.replace("premake = 0", partition))]);
    rig.sql(ORDERS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig
}

#[test]
fn partitions_are_told() {
    let rig = shop("premake = 0\ndefault = true");
    rig.run(&["refresh", "sales", "--full", "-q"]).done();
    let stats = rig.run(&["stats", "sales", "--format", "json"]).done().json();
    let partitions = stats["partitions"].as_array().expect("partitions");
    assert_eq!(
        stats["partitioned"],
        json!({ "count": 5, "missing": 0, "undeclared": 0, "default_rows": 0 }),
        "{stats:#}"
    );
    assert_eq!((partitions.len(), &stats["row_count"]), (5, &json!(4)), "{stats:#}");
    let rows: Vec<_> = partitions.iter().map(|one| one["row_count"].as_i64()).collect();
    assert_eq!(rows, [Some(1), Some(1), Some(1), Some(1), Some(0)], "{stats:#}");
    let frozen = partitions.iter().filter(|one| one["frozen"] == json!(true)).count();
    assert!((1..4).contains(&frozen), "{stats:#}");
    assert!(
        partitions.iter().all(|one| one["size_bytes"].as_i64() > Some(0) && one["built_at"].is_string()),
        "{stats:#}"
    );
    assert!(partitions[0]["bounds"].as_str().is_some_and(|bounds| bounds.starts_with("FOR VALUES FROM ('20")));
    assert_eq!((&partitions[4]["default"], &partitions[4]["bounds"]), (&json!(true), &json!("DEFAULT")));
    let text = rig.run(&["stats", "sales"]).done().stdout;
    assert!(text.contains("partitions   5\n") && text.contains("  built ") && text.contains("  DEFAULT "), "{text}");
    // What is amiss is told in a few words.
    rig.sql(&format!("DROP TABLE {}", partitions[1]["name"].as_str().expect("a name")));
    rig.sql("INSERT INTO sales VALUES ('2001-01-01', 'DE', 1); ANALYZE sales_default");
    let marts = rig.run(&["status", "--format", "json"]).done().json();
    let told = json!({ "count": 4, "missing": 1, "undeclared": 0, "default_rows": 1 });
    assert_eq!(marts["marts"][0]["partitioned"], told, "{marts:#}");
    assert_eq!(marts["marts"][0]["partitions"], json!(null));
    let text = rig.run(&["status"]).done().stdout;
    assert!(text.contains("4 (1 missing, ~1 rows in the default)"), "{text}");
    let drift = rig.run(&["drift"]).ended(2).stdout;
    assert!(drift.contains("partition sales_y") && drift.contains("was removed"), "{drift}");
}

/// When partitions were built, by their names.
fn built(rig: &Rig) -> Vec<(String, String)> {
    let stats = rig.run(&["stats", "sales", "--format", "json"]).done().json();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("unknown").to_owned();
    let partitions = stats["partitions"].as_array().expect("partitions").clone();
    partitions.iter().map(|one| (text(&one["name"]), text(&one["built_at"]))).collect()
}

/// Statistics that are lost, or made by somebody else, say nothing about it.
#[test]
fn it_is_known_when_partitions_were_built() {
    let rig = shop("premake = 0");
    let first = built(&rig);
    assert_eq!(first.len(), 4);
    assert!(first.iter().all(|(_, at)| at.starts_with("20")), "{first:?}");
    rig.sql("ANALYZE sales; RESET ROLE; SELECT pg_stat_reset()");
    assert_eq!(built(&rig), first);
    rig.sql("INSERT INTO orders VALUES (date_trunc('month', now()), 'DE')");
    rig.run(&["refresh", "sales", "-q"]).done();
    let second = built(&rig);
    assert_eq!(second[..3], first[..3]);
    assert!(second[3].0 == first[3].0 && second[3].1 > first[3].1, "{second:?} {first:?}");
    // Rows that are merged instead were written anew, too.
    rig.sql(
        "CREATE PUBLICATION all_sales FOR TABLE sales; INSERT INTO orders VALUES (date_trunc('month', now()), 'FR')",
    );
    rig.run(&["refresh", "sales", "-q"]).done();
    let third = built(&rig);
    assert!(third[..3] == first[..3] && third[3].1 > second[3].1, "{third:?} {second:?}");
    // What is gone is forgotten; a registry without such a table is read, too.
    assert_eq!(rig.value("SELECT count(*) FROM datamart.partitions"), "4");
    rig.sql("DROP TABLE datamart.partitions");
    assert_eq!(built(&rig).len(), 4);
}

#[test]
fn a_partitioned_table_is_drafted_and_adopted() {
    let rig = Rig::of(&[]);
    rig.sql(ORDERS);
    rig.sql(
        "CREATE TABLE sales (day date NOT NULL, country text NOT NULL, n bigint, PRIMARY KEY (day, country)) PARTITION BY RANGE (day);
         CREATE INDEX sales_country_idx ON sales (country);
         CREATE TABLE sales_y2025_m01 PARTITION OF sales FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
         CREATE TABLE february PARTITION OF sales FOR VALUES FROM ('2025-02-01') TO ('2025-03-01');
         CREATE TABLE sales_default PARTITION OF sales DEFAULT;
         CREATE TABLE by_country (country text, n int) PARTITION BY LIST (country);
         CREATE TABLE by_country_eu PARTITION OF by_country FOR VALUES IN ('DE', 'it''s');
         CREATE TABLE by_hash (id int) PARTITION BY HASH (id);
         CREATE TABLE by_hash_p0 PARTITION OF by_hash FOR VALUES WITH (modulus 2, remainder 0);
         CREATE TABLE by_hash_p1 PARTITION OF by_hash FOR VALUES WITH (modulus 2, remainder 1);
         CREATE TABLE by_number (id int) PARTITION BY RANGE (id);
         CREATE TABLE by_two (a int, b int) PARTITION BY LIST ((a + b));",
    );
    insta::assert_snapshot!(rig.run(&["import", "--kind", "partitioned_table"]), @"
    exit 0
    --- stdout
    + datamarts/public/by_country.toml.draft
    + datamarts/public/by_hash.toml.draft
    + datamarts/public/sales.toml.draft

    Not imported:
      1 partitioned table: divided by LIST (((a + b))); a manifest names one column
        public.by_two
      1 partitioned table: divided by ranges of id, which is no time
        public.by_number

    To know:
      public.sales: its partitions are of 1 month, 0 of them ahead of now: guessed from their bounds

    Drafted 3 manifests from DB on SOCKET: add the queries, and take `.draft` off the names.
    ");
    insta::assert_snapshot!(rig.read("public/sales.toml.draft"), @r#"
    # What fills public.sales is not stored in the database: add its query, for example
    # query = "SELECT … FROM …"
    # and give this file the name sales.toml. Then `datamart import --adopt` takes the table over as it is.
    type = "partitioned_table"
    owner = "etl"
    primary_key = ["day", "country"]

    [[indexes]]
    columns = ["country"]

    [partition]
    by = "range"
    column = "day"
    interval = "1 month"
    start = "2025-01-01"
    premake = 0
    default = true
    "#);
    let list = rig.read("public/by_country.toml.draft");
    assert!(list.contains("values = { eu = [\"DE\", \"it's\"] }"), "{list}");
    let hash = rig.read("public/by_hash.toml.draft");
    assert!(hash.contains("by = \"hash\"\ncolumn = \"id\"\nmodulus = 2\n"), "{hash}");
    // Drafts are no manifests.
    rig.run(&["validate"]).done();
    let query = "query = \"SELECT day, country, count(*) AS n FROM orders GROUP BY 1, 2\"\n";
    let draft = rig.read("public/sales.toml.draft");
    rig.write("public/sales.toml", &format!("{query}{draft}"));
    let refused = rig.run(&["plan"]).ended(1);
    assert!(refused.stderr.contains("take it over with `datamart import --adopt`"), "{}", refused.stderr);
    let adopted = rig.run(&["import", "--adopt"]).done().stdout;
    assert!(adopted.contains("Adopted 1: nothing of them was changed."), "{adopted}");
    // Missing months come; what was there keeps its name, also once its rows are exchanged.
    let plan = rig.run(&["plan"]).done().stdout;
    assert!(!plan.contains("Drift") && !plan.contains("february"), "{plan}");
    rig.run(&["apply", "--auto-approve", "--heal", "-q"]).done();
    let named = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'sales'::regclass AND inhrelid::regclass::text !~ '^sales_'";
    assert_eq!(rig.value(named), "february");
    rig.run(&["refresh", "sales", "-q"]).done();
    assert_eq!(rig.value("SELECT count(*) FROM sales"), "4");
    rig.sql("INSERT INTO orders (day, country) VALUES ('2025-02-03', 'DE')");
    rig.run(&["refresh", "sales", "-q"]).done();
    assert_eq!(rig.value("SELECT count(*) FROM february"), "1");
    rig.run(&["drift"]).done();
    assert!(rig.run(&["plan"]).done().stdout.contains("No changes."));
    rig.sql("ALTER TABLE february RENAME TO march");
    let drift = rig.run(&["drift"]).ended(2).stdout;
    assert!(drift.contains("partition sales_y2025_m02 was changed") && drift.contains("march"), "{drift}");
}

/// A roll-up by month keeps the months that its source has forgotten.
#[test]
fn months_outlive_the_rows_that_they_sum_up() {
    let monthly = "type = \"partitioned_table\"\nquery = \"SELECT date_trunc('month', day)::date AS month, count(*) AS n FROM orders GROUP BY 1\"\n\
        [partition]\nby = \"range\"\ncolumn = \"month\"\ninterval = \"1 month\"\n\
        [refresh]\nstrategy = \"full\"\n[refresh.incremental]\nmethod = \"partition\"\ntime_column = \"month\"\nlookback = \"7 days\"\nfrozen_before = \"62 days\"\n";
    let rig = Rig::of(&[("monthly.toml", monthly)]);
    rig.sql(
        "CREATE TABLE orders (day date); INSERT INTO orders SELECT now()::date - d FROM generate_series(0, 364) AS d",
    );
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    let months = "SELECT string_agg(month || '=' || n, ' ' ORDER BY month) FROM monthly WHERE month < now() - interval '62 days'";
    let before = rig.value(months);
    // Of the month that is not over for 62 days yet nothing is forgotten.
    rig.sql("DELETE FROM orders WHERE day < date_trunc('month', now() - interval '62 days'); INSERT INTO orders VALUES (now())");
    rig.run(&["refresh", "monthly", "-q"]).done();
    assert_eq!(rig.value(months), before);
    assert_eq!(rig.value("SELECT sum(n) FROM monthly"), "366");
    rig.run(&["verify", "monthly"]).done();
    let stats = rig.run(&["stats", "monthly", "--format", "json"]).done().json();
    let frozen = stats["partitions"].as_array().expect("partitions").iter().filter(|one| one["frozen"] == json!(true));
    assert!(frozen.count() >= 9, "{stats:#}");
    // What its source has forgotten is not computed again by oversight.
    rig.write("monthly.toml", &monthly.replace("count(*)", "count(*) + 0"));
    let refused = rig.run(&["apply", "--auto-approve"]).ended(1);
    assert!(refused.out().contains("DELETES_DATA"), "{}", refused.out());
    assert_eq!(rig.value(months), before);
}

/// One that is too old and not dropped yet is nobody's work; what somebody attached beside is.
#[test]
fn partitions_that_wait_to_leave_are_no_surprise() {
    let rig = shop("premake = 0\nretain = \"3 months\"");
    rig.sql(
        "DO $$ DECLARE m date := date_trunc('month', now()) - interval '5 months'; BEGIN
         EXECUTE format('CREATE TABLE sales_%s PARTITION OF sales FOR VALUES FROM (%L) TO (%L)', to_char(m, '\"y\"YYYY_\"m\"MM'), m, (m + interval '1 month')::date); END $$",
    );
    let told = |rig: &Rig| rig.run(&["status", "--format", "json"]).done().json()["marts"][0]["partitioned"].clone();
    assert_eq!(told(&rig), json!({ "count": 5, "missing": 0, "undeclared": 0 }));
    rig.sql("CREATE TABLE ahead PARTITION OF sales FOR VALUES FROM ('2901-01-05') TO ('2901-02-01')");
    assert_eq!(told(&rig), json!({ "count": 6, "missing": 0, "undeclared": 1 }));
}

/// Versions of a partitioned mart: compared, taken back, and each divided as it was.
#[test]
fn versions_in_partitions_are_compared_and_taken_back() {
    let sales = |count: &str| {
        let (head, _) = SALES.split_once("[refresh.incremental]").expect("what is refreshed");
        format!("{}[versions]\nkeep = 3\n", head.replace("count(*)", count))
    };
    let rig = Rig::of(&[("sales.toml", &sales("count(*)"))]);
    rig.sql(ORDERS);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.write("sales.toml", &sales("2 * count(*)"));
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(rig.value("SELECT string_agg(DISTINCT n::text, ' ') FROM sales"), "2");
    let told = rig.run(&["diff", "sales", "1", "2", "--format", "json"]).done().json();
    assert!(told.to_string().contains("\"count\":4"), "{told:#}");
    rig.run(&["rollback", "sales", "-q"]).done();
    assert_eq!(rig.value("SELECT string_agg(DISTINCT n::text, ' ') FROM sales"), "1");
    assert!(rig.read("sales.toml").contains("pin = 1"));
    rig.run(&["plan", "--detailed-exitcode"]).done();
    // What is published is refreshed, in its own partitions.
    rig.sql("INSERT INTO orders SELECT max(day), 'DE' FROM orders");
    rig.run(&["refresh", "sales", "-q"]).done();
    assert_eq!(rig.value("SELECT sum(n) FROM sales"), "5");
    assert_eq!(rig.value("SELECT sum(n) FROM sales_v2"), "8");
    assert_eq!(
        rig.value("SELECT count(*) FROM pg_inherits WHERE inhparent IN ('sales_v1'::regclass, 'sales_v2'::regclass)"),
        "8"
    );
}

#[test]
fn what_is_renamed_with_its_partitions_is_told_once() {
    let rig = shop("premake = 0");
    rig.write("sales.toml", &format!("name = \"turnover\"\nrenamed_from = [\"sales\"]\n{SALES}"));
    let told = rig.run(&["apply", "--auto-approve", "--format", "json"]).done().json();
    assert_eq!(told["applied"]["marts"], json!(["public.turnover"]));
}

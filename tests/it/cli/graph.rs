//! `graph` and `completions`.

use std::process::Command;

use serde_json::{Value, json};

use super::rig::{ORDERS, Out, Rig, SHOP, bare, finish, folder};

/// The command without a database.
fn alone(manifests: &[(&str, &str)], args: &[&str]) -> Out {
    let dir = folder(manifests);
    finish(bare(dir.path(), args), dir.path())
}

/// The nodes of a graph by their full names.
#[track_caller]
fn node<'a>(graph: &'a Value, full_name: &str) -> &'a Value {
    let nodes = graph["nodes"].as_array().expect("nodes");
    nodes.iter().find(|node| node["full_name"] == full_name).unwrap_or_else(|| panic!("{full_name} in {graph:#}"))
}

/// The edges as `from > to`, with full names.
fn edges(graph: &Value) -> Vec<String> {
    let nodes = graph["nodes"].as_array().expect("nodes");
    let name = |id: &Value| nodes.iter().find(|node| node["id"] == *id).expect("a node")["full_name"].as_str();
    let edges = graph["edges"].as_array().expect("edges").iter();
    edges
        .map(|edge| {
            let arrow = if edge["declared"] == true { "~>" } else { "->" };
            format!("{} {arrow} {}", name(&edge["from"]).expect("a name"), name(&edge["to"]).expect("a name"))
        })
        .collect()
}

#[test]
fn without_a_database_the_manifests_are_drawn() {
    insta::assert_snapshot!(alone(SHOP, &["graph"]), @r#"
    exit 0
    --- stdout
    flowchart LR
      r_public__U53ZalesU20Z2024["public.#34;Sales 2024#34;<br/>table<br/>manual"]:::mart
      r_public__event_counts["public.event_counts<br/>table<br/>manual"]:::mart
      r_public__events[("public.events")]:::source
      r_public__orders[("public.orders")]:::source
      r_public__sales["public.sales<br/>materialized view<br/>manual"]:::mart
      r_public__top(["public.top<br/>view"]):::mart
      r_public__events --> r_public__event_counts
      r_public__orders --> r_public__U53ZalesU20Z2024
      r_public__orders --> r_public__sales
      r_public__sales --> r_public__top
      classDef mart fill:#e8f0fe,stroke:#5f6368,color:#202124
      classDef source fill:#f1f3f4,stroke:#5f6368,color:#202124
    --- stderr
    No database is named: drawn from the manifests alone, without types of sources and status.
    "#);
    assert_eq!(alone(SHOP, &["graph", "-q", "--format", "mermaid"]).done().stdout, alone(SHOP, &["graph"]).stdout);
    insta::assert_snapshot!(alone(SHOP, &["graph", "-q", "--format", "dot"]), @r##"
    exit 0
    --- stdout
    digraph datamart {
      rankdir=LR;
      node [shape=box, style=filled, fontname="sans-serif"];
      r_public__U53ZalesU20Z2024 [label="public.\"Sales 2024\"\ntable\nmanual", fillcolor="#e8f0fe", color="#5f6368"];
      r_public__event_counts [label="public.event_counts\ntable\nmanual", fillcolor="#e8f0fe", color="#5f6368"];
      r_public__events [label="public.events", shape=cylinder, fillcolor="#f1f3f4", color="#5f6368"];
      r_public__orders [label="public.orders", shape=cylinder, fillcolor="#f1f3f4", color="#5f6368"];
      r_public__sales [label="public.sales\nmaterialized view\nmanual", fillcolor="#e8f0fe", color="#5f6368"];
      r_public__top [label="public.top\nview", style="rounded,filled", fillcolor="#e8f0fe", color="#5f6368"];
      r_public__events -> r_public__event_counts;
      r_public__orders -> r_public__U53ZalesU20Z2024;
      r_public__orders -> r_public__sales;
      r_public__sales -> r_public__top;
    }
    "##);
    insta::assert_snapshot!(alone(&SHOP[..2], &["graph", "-q", "--format", "json"]), @r#"
    exit 0
    --- stdout
    {
      "nodes": [
        {
          "id": "r_public__orders",
          "name": "orders",
          "schema": "public",
          "full_name": "public.orders",
          "kind": "source"
        },
        {
          "id": "r_public__sales",
          "name": "sales",
          "schema": "public",
          "full_name": "public.sales",
          "kind": "mart",
          "type": "materialized_view",
          "refresh_strategy": "manual",
          "tags": [
            "daily",
            "sales"
          ],
          "file": "datamarts/dashboard/sales.toml"
        }
      ],
      "edges": [
        {
          "from": "r_public__orders",
          "to": "r_public__sales",
          "declared": false
        }
      ]
    }
    "#);
    insta::assert_snapshot!(alone(&SHOP[..1], &["--format=markdown", "-q", "graph"]), @"
    exit 0
    --- stdout
    **0 marts, 0 sources**

    ```mermaid
    flowchart LR
    ```
    ");
}

#[test]
fn with_a_database_it_shows_how_they_are() {
    let rig = Rig::shop();
    insta::assert_snapshot!(rig.run(&["graph"]), @r#"
    exit 0
    --- stdout
    flowchart LR
      r_public__U53ZalesU20Z2024["public.#34;Sales 2024#34;<br/>table<br/>manual<br/>creating (not applied)"]:::creating
      r_public__event_counts["public.event_counts<br/>table<br/>manual<br/>creating (not applied)"]:::creating
      r_public__events[("public.events<br/>table")]:::source
      r_public__orders[("public.orders<br/>table")]:::source
      r_public__sales["public.sales<br/>materialized view<br/>manual<br/>creating (not applied)"]:::creating
      r_public__top(["public.top<br/>view<br/>creating (not applied)"]):::creating
      r_public__events --> r_public__event_counts
      r_public__orders --> r_public__U53ZalesU20Z2024
      r_public__orders --> r_public__sales
      r_public__sales --> r_public__top
      classDef creating fill:#ffffff,stroke:#5f6368,color:#202124
      classDef source fill:#f1f3f4,stroke:#5f6368,color:#202124
    "#);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    insta::assert_snapshot!(rig.run(&["graph", "--format", "markdown"]), @r#"
    exit 0
    --- stdout
    **4 marts, 2 sources**

    ```mermaid
    flowchart LR
      r_public__U53ZalesU20Z2024["public.#34;Sales 2024#34;<br/>table<br/>manual<br/>active"]:::active
      r_public__event_counts["public.event_counts<br/>table<br/>manual<br/>active"]:::active
      r_public__events[("public.events<br/>table")]:::source
      r_public__orders[("public.orders<br/>table")]:::source
      r_public__sales["public.sales<br/>materialized view<br/>manual<br/>active"]:::active
      r_public__top(["public.top<br/>view<br/>active"]):::active
      r_public__events --> r_public__event_counts
      r_public__orders --> r_public__U53ZalesU20Z2024
      r_public__orders --> r_public__sales
      r_public__sales --> r_public__top
      classDef active fill:#e6f4ea,stroke:#188038,color:#202124
      classDef source fill:#f1f3f4,stroke:#5f6368,color:#202124
    ```
    "#);
    let graph = rig.run(&["--format", "json", "graph"]).done();
    insta::assert_snapshot!(graph.shape(), @"
    nodes[].id: string
    nodes[].name: string
    nodes[].schema: string
    nodes[].full_name: string
    nodes[].kind: string
    nodes[].type: string
    nodes[].refresh_strategy: string
    nodes[].status: string
    nodes[].freshness: string
    nodes[].conditions[].type: string
    nodes[].conditions[].status: string
    nodes[].conditions[].reason: string
    nodes[].conditions[].message: string
    nodes[].file: string
    nodes[].tags[]: string
    edges[].from: string
    edges[].to: string
    edges[].declared: boolean
    ");
    assert_eq!(node(&graph.json(), "public.orders")["type"], "table");
    assert_eq!(node(&graph.json(), "public.sales")["status"], "active");
    assert_eq!(graph.stdout, rig.run(&["graph", "--format", "json"]).done().stdout);
}

#[test]
fn what_is_wrong_is_seen() {
    let rig = Rig::applied();
    rig.write(
        "late.toml",
        "type = \"table\"\nquery = \"SELECT count(*) AS n FROM orders\"\n\
         [refresh]\nstrategy = \"scheduled\"\ntarget_lag = \"1m\"\n[freshness]\nerror_after = \"1s\"\n",
    );
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    rig.until("SELECT clock_timestamp() > max(created_at) + interval '2 seconds' FROM datamart.marts");
    rig.sql("DROP TABLE events CASCADE");
    rig.run(&["refresh", "event_counts", "-q"]).ended(1);
    rig.remove("dashboard/top.toml");
    insta::assert_snapshot!(rig.run(&["graph"]), @r#"
    exit 0
    --- stdout
    flowchart LR
      r_public__U53ZalesU20Z2024["public.#34;Sales 2024#34;<br/>table<br/>manual<br/>active"]:::active
      r_public__event_counts["public.event_counts<br/>table<br/>manual<br/>error (refresh failed)"]:::error
      r_public__events[("public.events<br/>missing")]:::missing
      r_public__late["public.late<br/>table<br/>scheduled (at most 1m old)<br/>stale"]:::stale
      r_public__orders[("public.orders<br/>table")]:::source
      r_public__sales["public.sales<br/>materialized view<br/>manual<br/>active"]:::active
      r_public__top(["public.top<br/>view<br/>active, no manifest"]):::active
      r_public__events --> r_public__event_counts
      r_public__orders --> r_public__U53ZalesU20Z2024
      r_public__orders --> r_public__late
      r_public__orders --> r_public__sales
      r_public__sales --> r_public__top
      classDef active fill:#e6f4ea,stroke:#188038,color:#202124
      classDef error fill:#fce8e6,stroke:#d93025,color:#202124
      classDef missing fill:#fce8e6,stroke:#d93025,color:#202124
      classDef source fill:#f1f3f4,stroke:#5f6368,color:#202124
      classDef stale fill:#fef7e0,stroke:#b06000,color:#202124
    "#);
    let graph = rig.run(&["graph", "--format", "json"]).done().json();
    assert_eq!(node(&graph, "public.events")["status"], "missing");
    assert_eq!(node(&graph, "public.event_counts")["conditions"][1]["reason"], "RefreshFailed");
    assert_eq!(node(&graph, "public.late")["freshness"], "stale");
    assert_eq!(node(&graph, "public.top")["orphan"], true);
}

#[test]
fn a_part_is_drawn_with_what_it_reads() {
    let rig = Rig::applied();
    let drawn = |select: &str| edges(&rig.run(&["graph", "--select", select, "--format", "json"]).done().json());
    assert_eq!(drawn("top"), ["public.sales -> public.top"]);
    assert_eq!(drawn("+top"), ["public.orders -> public.sales", "public.sales -> public.top"]);
    assert_eq!(drawn("events+"), ["public.events -> public.event_counts"]);
    assert!(drawn("state:failed").is_empty());
    insta::assert_snapshot!(rig.run(&["graph", "--select", "tpo"]), @"
    exit 1
    --- stderr
    error: no mart is called tpo; did you mean top?
    ");
    let alone = |select: &str| alone(SHOP, &["graph", "-q", "--select", select, "--format", "json"]);
    assert_eq!(edges(&alone("tag:sales").json()), ["public.orders -> public.sales", "public.sales -> public.top"]);
    insta::assert_snapshot!(alone("state:stale"), @r#"
    exit 1
    --- stdout
    {
      "error": {
        "kind": "selector",
        "message": "state: compares with the database, and none is named",
        "file": null,
        "line": null,
        "column": null,
        "hint": "give --database-url or set DATABASE_URL",
        "problems": []
      }
    }
    "#);
}

/// Marts in two schemas, with names that mean something to those who draw.
const HOSTILE: &[(&str, &str)] = &[
    (
        "a.toml",
        "name = \"end\"\nschema = \"bi-hub\"\ntype = \"view\"\nquery = \"SELECT 1 AS one FROM raw.\\\"a|b\\\"\"\n",
    ),
    (
        "b.toml",
        "name = 'q\"]é#x;<b>&amp;\\'\nschema = \"public\"\ntype = \"view\"\ndepends_on = ['\"bi-hub\".\"end\"', 'ledger']\n\
         query = \"SELECT 1 AS one FROM orders\"\n",
    ),
    ("c.toml", "name = \"Q\"\ntype = \"view\"\nquery = \"SELECT 1 AS one FROM q\"\n"),
    (
        "d.toml",
        "name = \"q\"\ntype = \"view\"\ndepends_on = [\"bi-hub.end\"]\n\
         query = \"SELECT relname FROM pg_class JOIN \\\"bi-hub\\\".\\\"end\\\" ON true\"\n",
    ),
];

#[test]
fn names_are_taken_as_they_are() {
    insta::assert_snapshot!(alone(HOSTILE, &["graph", "-q"]), @r##"
    exit 0
    --- stdout
    flowchart LR
      subgraph s_biU2DZhub["bi-hub"]
        r_biU2DZhub__end(["#34;end#34;<br/>view"]):::mart
      end
      subgraph s_pg_catalog["pg_catalog"]
        r_pg_catalog__pg_class[("pg_class")]:::source
      end
      subgraph s_public["public"]
        r_public__U51Z(["#34;Q#34;<br/>view"]):::mart
        r_public__ledger[("ledger")]:::source
        r_public__orders[("orders")]:::source
        r_public__q(["q<br/>view"]):::mart
        r_public__qU22ZU5DZUE9ZU23ZxU3BZU3CZbU3EZU26ZampU3BZU5CZ(["#34;q#34;#34;#93;é#35;x#59;#60;b#62;#38;amp#59;#92;#34;<br/>view"]):::mart
      end
      subgraph s_raw["raw"]
        r_raw__aU7CZb[("#34;a#124;b#34;")]:::source
      end
      r_biU2DZhub__end --> r_public__q
      r_biU2DZhub__end -.-> r_public__qU22ZU5DZUE9ZU23ZxU3BZU3CZbU3EZU26ZampU3BZU5CZ
      r_pg_catalog__pg_class --> r_public__q
      r_public__ledger -.-> r_public__qU22ZU5DZUE9ZU23ZxU3BZU3CZbU3EZU26ZampU3BZU5CZ
      r_public__orders --> r_public__qU22ZU5DZUE9ZU23ZxU3BZU3CZbU3EZU26ZampU3BZU5CZ
      r_public__q --> r_public__U51Z
      r_raw__aU7CZb --> r_biU2DZhub__end
      classDef mart fill:#e8f0fe,stroke:#5f6368,color:#202124
      classDef source fill:#f1f3f4,stroke:#5f6368,color:#202124
    "##);
    insta::assert_snapshot!(alone(HOSTILE, &["graph", "-q", "--format", "dot"]), @r##"
    exit 0
    --- stdout
    digraph datamart {
      rankdir=LR;
      node [shape=box, style=filled, fontname="sans-serif"];
      subgraph cluster_biU2DZhub {
        label="bi-hub";
        r_biU2DZhub__end [label="\"end\"\nview", style="rounded,filled", fillcolor="#e8f0fe", color="#5f6368"];
      }
      subgraph cluster_pg_catalog {
        label="pg_catalog";
        r_pg_catalog__pg_class [label="pg_class", shape=cylinder, fillcolor="#f1f3f4", color="#5f6368"];
      }
      subgraph cluster_public {
        label="public";
        r_public__U51Z [label="\"Q\"\nview", style="rounded,filled", fillcolor="#e8f0fe", color="#5f6368"];
        r_public__ledger [label="ledger", shape=cylinder, fillcolor="#f1f3f4", color="#5f6368"];
        r_public__orders [label="orders", shape=cylinder, fillcolor="#f1f3f4", color="#5f6368"];
        r_public__q [label="q\nview", style="rounded,filled", fillcolor="#e8f0fe", color="#5f6368"];
        r_public__qU22ZU5DZUE9ZU23ZxU3BZU3CZbU3EZU26ZampU3BZU5CZ [label="\"q\"\"]é#x;<b>&amp;amp;\\\"\nview", style="rounded,filled", fillcolor="#e8f0fe", color="#5f6368"];
      }
      subgraph cluster_raw {
        label="raw";
        r_raw__aU7CZb [label="\"a|b\"", shape=cylinder, fillcolor="#f1f3f4", color="#5f6368"];
      }
      r_biU2DZhub__end -> r_public__q;
      r_biU2DZhub__end -> r_public__qU22ZU5DZUE9ZU23ZxU3BZU3CZbU3EZU26ZampU3BZU5CZ [style=dashed];
      r_pg_catalog__pg_class -> r_public__q;
      r_public__ledger -> r_public__qU22ZU5DZUE9ZU23ZxU3BZU3CZbU3EZU26ZampU3BZU5CZ [style=dashed];
      r_public__orders -> r_public__qU22ZU5DZUE9ZU23ZxU3BZU3CZbU3EZU26ZampU3BZU5CZ;
      r_public__q -> r_public__U51Z;
      r_raw__aU7CZb -> r_biU2DZhub__end;
    }
    "##);
}

#[test]
fn the_server_says_what_a_name_means() {
    let rig = Rig::of(&[
        ("one.toml", "schema = \"bi\"\ntype = \"view\"\nquery = \"SELECT day FROM orders\"\n"),
        ("two.toml", "schema = \"bi\"\ntype = \"view\"\nquery = \"SELECT kind FROM events\"\n"),
    ]);
    rig.sql(ORDERS);
    rig.sql("CREATE SCHEMA bi; CREATE VIEW bi.events AS SELECT * FROM public.events");
    let drawn = || edges(&rig.run(&["graph", "--format", "json"]).done().json());
    let expected = ["bi.events -> bi.two", "public.orders -> bi.one"];
    assert_eq!(drawn(), expected);
    rig.run(&["apply", "--auto-approve", "-q"]).done();
    assert_eq!(drawn(), expected);
    // It stands earlier in the search path: the next apply would read it.
    rig.sql("CREATE TABLE bi.orders (day date)");
    assert_eq!(drawn(), ["bi.events -> bi.two", "bi.orders -> bi.one"]);
}

#[test]
fn a_database_that_is_named_has_to_answer() {
    let rig = Rig::shop();
    let out = rig.run_on("postgres://nobody@127.0.0.1:1/none", &["graph", "--format", "dot"]).ended(1);
    assert!(out.stdout.is_empty() && out.stderr.contains("cannot connect to"), "{out}");
    let out = rig.run_on("", &["graph", "--format", "json"]).ended(1);
    assert_eq!(out.json()["error"]["kind"], json!("config"));
    rig.write("project.toml", "[database]\nurl = \"${PROD_URL}\"\n");
    let unset = finish(bare(rig.folder.path(), &["graph"]), rig.folder.path()).ended(1);
    assert!(unset.stderr.contains("needs ${PROD_URL}"), "{unset}");
}

#[test]
fn what_is_too_large_is_told() {
    let marts: Vec<(String, String)> = (0..600)
        .map(|i| (format!("m{i}.toml"), format!("type = \"view\"\nquery = \"SELECT * FROM s{i}\"\n")))
        .collect();
    let marts: Vec<(&str, &str)> = marts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let large = alone(&marts, &["graph"]).done();
    assert_eq!(large.stdout.matches(" --> ").count(), 600);
    insta::assert_snapshot!(large.err(), @"
    No database is named: drawn from the manifests alone, without types of sources and status.
    Mermaid draws no more than 500 edges and 50,000 characters unless it is told to: see --select and --format dot.
    ");
    insta::assert_snapshot!(alone(&marts, &["graph", "-q", "--format", "markdown"]), @"
    exit 0
    --- stdout
    **600 marts, 600 sources**

    Too many for a drawing here; `datamart graph --select` draws some of them.
    ");
}

#[test]
fn drawings_are_of_graph_alone() {
    insta::assert_snapshot!(alone(SHOP, &["validate", "--format", "mermaid"]), @"
    exit 1
    --- stderr
    error: only `graph` has '--format mermaid'; every other command takes text, json or markdown

    Usage: datamart [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(alone(SHOP, &["--format=dot", "status"]), @"
    exit 1
    --- stderr
    error: only `graph` has '--format dot'; every other command takes text, json or markdown

    Usage: datamart [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(alone(SHOP, &["graph", "--format", "svg"]), @"
    exit 1
    --- stderr
    error: invalid value 'svg' for '--format <FORMAT>'
      [possible values: text, mermaid, dot, json, markdown]

    For more information, try '--help'.
    ");
    assert_eq!(alone(SHOP, &["--format=dot", "-q", "graph"]).stdout, alone(SHOP, &["graph", "--format", "dot"]).stdout);
}

#[test]
fn shells_complete_every_command() {
    let dir = folder(&[]);
    let run = |args: &[&str]| finish(bare(dir.path(), args), dir.path());
    let help = run(&["--help"]).done().stdout;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains(&"completions"), "{names:?}");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = run(&["completions", shell]).done();
        assert_eq!(script.stderr, "");
        for name in &names {
            assert!(script.stdout.contains(name), "{shell} does not know {name}");
        }
    }
    dir.write("datamart.bash", &run(&["completions", "bash"]).stdout);
    let complete = |line: &str| {
        let words = line.split(' ').count() - 1;
        let script = format!(
            "source datamart.bash; COMP_WORDS=({line}); COMP_CWORD={words}; \
             _datamart datamart \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; \
             echo \"${{COMPREPLY[@]}}\""
        );
        let out = Command::new("bash").args(["-c", &script]).current_dir(dir.path()).output().expect("bash");
        assert_eq!((out.status.code(), out.stderr), (Some(0), Vec::new()));
        String::from_utf8(out.stdout).expect("UTF-8")
    };
    let checked = Command::new("bash").args(["-n", "datamart.bash"]).current_dir(dir.path()).status().expect("bash");
    assert!(checked.success());
    assert_eq!(complete("datamart ref"), "refresh\n");
    assert_eq!(complete("datamart graph --format d"), "dot\n");
    assert_eq!(complete("datamart status --format m"), "markdown\n");
    insta::assert_snapshot!(run(&["completions", "tcsh", "--format", "json"]), @r#"
    exit 1
    --- stdout
    {
      "error": {
        "kind": "usage",
        "message": "invalid value 'tcsh' for '<SHELL>' [possible values: bash, elvish, fish, powershell, zsh]",
        "file": null,
        "line": null,
        "column": null,
        "hint": "a similar value exists: 'zsh'",
        "problems": []
      }
    }
    "#);
}

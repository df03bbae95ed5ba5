//! `examples/action_analytics`: the four views, their indexes, their age.

use super::Example;

const MARTS: [&str; 4] =
    ["action_metrics_hourly", "action_type_distribution", "recent_failures", "trigger_performance_summary"];

#[test]
fn actions_are_summed_up_and_their_age_is_told() {
    let mut example = Example::of("action_analytics", "SET example.results = '40000'");
    example.apply();
    let refreshed = example.refresh(&["--all"]);
    assert_eq!(refreshed, MARTS.map(|name| format!("public.{name} success concurrently")));
    let wrong = example.sql(&[
        HOURS,
        DURATIONS,
        P95,
        TRIGGERS,
        FAILURES,
        TYPES,
        "SET enable_seqscan = off",
        RECENT_INDEX,
        DASHBOARD,
        INDEXES,
    ]);
    insta::assert_snapshot!(wrong, @"
    0
    0
    0
    0
    0
    0
    t
    t
    idx_action_metrics_hourly_hour plain
    idx_action_metrics_hourly_recent partial
    idx_action_metrics_hourly_unique unique
    idx_action_type_distribution_unique unique
    idx_recent_failures_rate_limited partial
    idx_recent_failures_trigger_id plain
    idx_recent_failures_unique unique
    idx_trigger_performance_summary_avg_duration_ms plain
    idx_trigger_performance_summary_executions plain
    idx_trigger_performance_summary_success_rate plain
    idx_trigger_performance_summary_unique unique
    ");
    for (minutes, said) in [(0, "fresh"), (6, "warning"), (5, "stale")] {
        // As if that much time had passed.
        let back = format!("interval '{minutes} minutes'");
        example.sql(&[
            &format!(
                "UPDATE datamart.refreshes SET started_at = started_at - {back}, finished_at = finished_at - {back}"
            ),
            &format!("UPDATE datamart.marts SET created_at = created_at - {back}"),
        ]);
        assert_eq!(example.status("freshness"), MARTS.map(|name| format!("{name} {said}")));
    }
    // One pass of the daemon makes up for what nobody did meanwhile.
    example.run(&["daemon", "--once", "-q"]).done();
    assert_eq!(example.status("freshness"), MARTS.map(|name| format!("{name} fresh")));
}

#[test]
fn a_predicate_that_moves_with_the_clock_is_refused() {
    let example = Example::of("action_analytics", "SELECT 1");
    let file = example.path().join("datamarts/action_metrics_hourly.toml");
    let text = std::fs::read_to_string(&file).expect("a manifest");
    let moving = text.replace("status = 'failed'", "hour > now() - interval '30 days'");
    assert_ne!(text, moving);
    std::fs::write(file, moving).expect("a manifest");
    let refused = example.run(&["validate", "-q"]).ended(1);
    let said = "error: now() changes by itself, and what an index is made of must be IMMUTABLE";
    assert!(
        refused.stderr.starts_with(said) && refused.stderr.contains("action_metrics_hourly.toml:37:9"),
        "{refused}"
    );
}

/// Each hour, type and status has the executions that the results have, counted by their text.
const HOURS: &str = "
    SELECT count(*) FROM (
        (SELECT to_char(hour, 'YYYY-MM-DD HH24'), action_type, status, execution_count FROM action_metrics_hourly)
        EXCEPT ALL
        (SELECT to_char(executed_at, 'YYYY-MM-DD HH24') AS h, action_type, status, count(*) FROM action_results GROUP BY h, 2, 3)
    ) AS d";

/// No result is left out, and an average from the sums is the average of the results.
const DURATIONS: &str = "
    SELECT count(*) FROM (SELECT action_type, sum(execution_count) AS n, sum(total_duration_ms) / sum(execution_count) AS a
                          FROM action_metrics_hourly GROUP BY 1) AS m
    FULL JOIN (SELECT action_type, count(*) AS n, avg(duration_ms) AS a FROM action_results GROUP BY 1) AS r USING (action_type)
    WHERE m.n IS DISTINCT FROM r.n OR round(m.a, 6) IS DISTINCT FROM round(r.a, 6)";

/// At least 95 of 100 results take no longer than that, and fewer than 95 take less.
const P95: &str = "
    SELECT count(*) FROM action_metrics_hourly AS m
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE duration_ms <= m.p95_duration_ms) AS upto, count(*) FILTER (WHERE duration_ms < m.p95_duration_ms) AS below,
               count(*) AS n, max(duration_ms) AS longest
        FROM action_results AS r
        WHERE r.executed_at >= m.hour AND r.executed_at < m.hour + interval '1 hour' AND r.action_type = m.action_type AND r.status = m.status
    ) AS r
    WHERE upto < 0.95 * n OR below >= 0.95 * n OR longest <> m.max_duration_ms";

const TRIGGERS: &str = "
    SELECT count(*) FROM triggers AS t
    FULL JOIN trigger_performance_summary AS m USING (trigger_id)
    CROSS JOIN LATERAL (SELECT count(*) AS n, sum((status = 'success')::int) AS good, sum((status = 'failed')::int) AS bad, max(executed_at) AS newest
                        FROM action_results AS r WHERE r.trigger_id = t.trigger_id) AS r
    WHERE (m.total_executions, m.success_count, m.failure_count, m.success_count + m.failure_count + m.retrying_count, m.last_executed_at, m.trigger_name)
              IS DISTINCT FROM (r.n, r.good, r.bad, r.n, r.newest, t.name)
       OR abs(m.success_rate - 100 * r.good::numeric / r.n) > 0.005";

/// A day, as it was when the view was refreshed a moment ago.
const FAILURES: &str = "
    SELECT count(*) FROM recent_failures AS m
    FULL JOIN (SELECT * FROM action_results WHERE status = 'failed' AND executed_at > now() - interval '25 hours') AS r USING (result_id)
    WHERE (m.result_id IS NULL AND r.executed_at >= now() - interval '24 hours') OR r.result_id IS NULL
       OR m.executed_at < now() - interval '24 hours 5 minutes' OR m.response_data IS DISTINCT FROM r.response_data";

/// As it was when the view was refreshed a moment ago: a few results have grown too old since.
const TYPES: &str = "
    SELECT count(*) FROM action_type_distribution AS m
    WHERE abs(share_pct - 100.0 * (SELECT count(*) FROM action_results AS r WHERE r.action_type = m.action_type AND executed_at >= now() - interval '30 days')
                             / (SELECT count(*) FROM action_results WHERE executed_at >= now() - interval '30 days')) > 0.05
       OR (SELECT sum(share_pct) FROM action_type_distribution) NOT BETWEEN 99.9 AND 100.1";

/// Whether a dashboard's question is answered from the partial index.
const RECENT_INDEX: &str = "
    CREATE FUNCTION pg_temp.plan_of(query text) RETURNS text LANGUAGE plpgsql AS $$
    DECLARE line text; whole text := '';
    BEGIN
        FOR line IN EXECUTE 'EXPLAIN ' || query LOOP whole := whole || line; END LOOP;
        RETURN whole;
    END $$;
    SELECT pg_temp.plan_of('SELECT * FROM action_metrics_hourly WHERE status = ''failed'' AND hour > now() - interval ''1 day''')
           LIKE '%idx_action_metrics_hourly_recent%'";

const DASHBOARD: &str = "
    SELECT pg_temp.plan_of('SELECT * FROM trigger_performance_summary ORDER BY total_executions DESC LIMIT 20')
           LIKE '%idx_trigger_performance_summary_executions%'";

const INDEXES: &str = "
    SELECT c.relname, CASE WHEN x.indisunique THEN 'unique' WHEN x.indpred IS NOT NULL THEN 'partial' ELSE 'plain' END
    FROM pg_index AS x JOIN pg_class AS c ON c.oid = x.indexrelid JOIN pg_class AS m ON m.oid = x.indrelid
    WHERE m.relkind = 'm' ORDER BY 1";

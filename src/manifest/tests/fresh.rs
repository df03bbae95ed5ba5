//! `fresh = true` and `strategy = "on_commit"`.

use super::{mart, matview, table, told};
use crate::state::{IncrementalMethod, RefreshPolicy, Versions};

fn refresh(lines: &str) -> String {
    table(&format!("[refresh]\n{lines}"))
}

#[test]
fn a_fresh_mart_follows_the_changes() {
    let method = |policy: &RefreshPolicy| policy.incremental.as_ref().map(|incremental| incremental.method);
    let fresh = mart(&refresh("fresh = true\nschedule = '1h'\nstrategy = 'scheduled'\n")).mart;
    assert!(fresh.refresh.fresh);
    assert_eq!(method(&fresh.refresh), Some(IncrementalMethod::Changes));
    // Its rows stand behind the view of its name.
    assert_eq!(fresh.versions.map(|Versions { keep, pin, .. }| (keep, pin)), Some((1, None)));
    let kept = mart(&refresh("fresh = true\n[versions]\nkeep = 4\n")).mart;
    assert_eq!(kept.versions.map(|versions| versions.keep), Some(4));

    assert!(!mart(&refresh("fresh = false\n")).mart.refresh.fresh);
}

#[test]
fn what_cannot_be() {
    for (lines, wanted) in [
        (
            "fresh = true\nstrategy = 'on_commit'\n",
            "5:12 readers of a mart with `fresh = true` see every commit already «'on_commit'» (remove `strategy = \
             \"on_commit\"`: writers pay nothing for `fresh = true`)",
        ),
        (
            "fresh = true\nincremental = { method = 'append', time_column = 'a' }\n",
            "5:26 `fresh = true` needs `method = \"changes\"`, and this is `method = \"append\"` «'append'» (remove it, or \
             `fresh = true`)",
        ),
        (
            "strategy = 'on_commit'\nincremental = { frozen_before = '30 days', time_column = 'a' }\n",
            "5:17 `strategy = \"on_commit\"` shows what the sources have, and `frozen_before` keeps rows that they lost \
             «frozen_before» (keep one of them)",
        ),
        (
            "strategy = 'on_commit'\n[versions]\nkeep = 2\n",
            "5:2 writers keep one table of rows, and each version of a mart is another «versions» (remove it, or use \
             `fresh = true`)",
        ),
        (
            "fresh = true\n[retention]\ncolumn = 'a'\nkeep = '30 days'\n",
            "5:2 `fresh = true` computes rows again that [retention] deleted «retention» (say in the query how old its rows \
             may be, or remove one of them)",
        ),
        (
            "strategy = 'on_commit'\nincremental = { full_schedule = '1d' }\n",
            "5:17 a mart with `strategy = \"on_commit\"` has no `full_schedule` «full_schedule» (every refresh of it is \
             whole: name the times in `schedule`)",
        ),
    ] {
        let told = told(&refresh(lines));
        assert!(told.contains(&format!("m.toml:{wanted}")), "{told:#?}");
    }
}

#[test]
fn a_materialized_view_is_computed_whole() {
    let help = "use `type = \"table\"`: PostgreSQL can only compute a materialized view whole";
    for (line, what) in [("fresh = true", "fresh"), ("strategy = 'on_commit'", "strategy")] {
        let told = told(&matview(&format!("[refresh]\nconcurrent = false\n{line}\n")));
        let cannot = format!("a materialized view cannot have `{what} = ");
        let found = told.iter().find(|told| told.contains(&cannot));
        assert!(found.is_some_and(|told| told.ends_with(&format!("({help})"))), "{told:?}");
    }
}

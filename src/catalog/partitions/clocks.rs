//! Which partitions are wanted, and which leave, by the clock: at the ends of months and years, and where clocks are moved.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::*;
use crate::catalog::extent::Divided;
use crate::catalog::times::expired;
use crate::state::{PartitionBy, Ranges, RefreshPolicy, TimeType};

fn mart(zone: &str, interval: &str, more: &str) -> Mart {
    let json = serde_json::json!({
        "name": QName::new("public", "sales"), "type": "partitioned_table", "query": "SELECT 1", "search_path": ["public"],
        "timezone": zone, "refresh": RefreshPolicy::default(),
        "partition": serde_json::from_str::<serde_json::Value>(&format!(
            "{{\"column\": \"at\", \"by\": \"range\", \"interval\": \"{interval}\"{more}}}"
        )).unwrap(),
    });
    serde_json::from_value(json).unwrap()
}

fn columns(type_name: &str) -> Vec<Column> {
    let text = format!("[{{\"name\": \"at\", \"type\": \"{type_name}\"}}]");
    serde_json::from_str(&text).unwrap()
}

fn live(type_name: &str, pieces: &[Piece]) -> Relation {
    let attached = pieces.iter().zip(1..).map(|(piece, oid)| Attached {
        oid,
        name: piece.name.clone(),
        kind: RelationKind::Table,
        owner: String::new(),
        bound: piece.bound.clone(),
        options: BTreeMap::new(),
        grants: Vec::new(),
        rows: None,
    });
    Relation {
        oid: 1,
        name: QName::new("public", "sales"),
        kind: RelationKind::PartitionedTable,
        owner: String::new(),
        comment: None,
        options: BTreeMap::new(),
        tablespace: None,
        populated: true,
        definition: None,
        empty: false,
        tuples: 0.0,
        extension: false,
        access_method: None,
        partitioned_by: Some("RANGE (at)".into()),
        partitions: attached.collect(),
        unlogged: false,
        extras: Vec::new(),
        columns: columns(type_name),
        indexes: BTreeMap::new(),
        grants: Vec::new(),
        dependents: Vec::new(),
    }
}

const ZONED: &str = "timestamp with time zone";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn wanted_at(mart: &Mart, type_name: &str, there: Option<&Relation>, now: &str) -> Vec<Piece> {
    wanted(mart, &columns(type_name), there, None, None, at(now)).unwrap()
}

fn suffixes(pieces: &[Piece]) -> Vec<&str> {
    pieces.iter().map(|piece| &piece.name.name["sales".len()..]).collect()
}

#[test]
fn partitions_are_ready_before_the_month_and_the_year_end() {
    let monthly = mart("UTC", "1 month", ", \"premake\": 1");
    let ready = |now| wanted_at(&monthly, "date", None, now);
    assert_eq!(suffixes(&ready("2026-01-31T23:59:59Z")), ["_y2026_m01", "_y2026_m02"]);
    assert_eq!(suffixes(&ready("2026-02-01T00:00:00Z")), ["_y2026_m02", "_y2026_m03"]);
    assert_eq!(suffixes(&ready("2026-12-31T23:59:59Z")), ["_y2026_m12", "_y2027_m01"]);
    assert_eq!(suffixes(&ready("2024-02-29T12:00:00Z")), ["_y2024_m02", "_y2024_m03"]);
    let yearly = mart("UTC", "1 year", ", \"premake\": 1");
    assert_eq!(suffixes(&wanted_at(&yearly, "date", None, "2026-12-31T23:59:59Z")), ["_y2026", "_y2027"]);
    let daily = mart("UTC", "1 day", ", \"premake\": 2");
    assert_eq!(
        suffixes(&wanted_at(&daily, "date", None, "2024-02-28T23:00:00Z")),
        ["_y2024_m02_d28", "_y2024_m02_d29", "_y2024_m03_d01"]
    );
}

#[test]
fn a_day_is_not_divided_by_hours() {
    let hourly = mart("UTC", "12 hours", ", \"premake\": 1");
    let error = wanted(&hourly, &columns("date"), None, None, None, at("2026-01-31T12:00:00Z")).unwrap_err();
    assert_eq!(error.to_string(), "\"at\" is of type date, which cannot be divided by 12 hours");
    assert!(!wanted_at(&hourly, "timestamp without time zone", None, "2026-01-31T12:00:00Z").is_empty());
}

/// The same instant is in another month on another wall.
#[test]
fn a_month_ends_where_the_mart_is() {
    for (zone, months) in [
        ("Pacific/Auckland", ["_y2027_m01", "_y2027_m02"]),
        ("UTC", ["_y2026_m12", "_y2027_m01"]),
        ("America/Bogota", ["_y2026_m12", "_y2027_m01"]),
    ] {
        let mart = mart(zone, "1 month", ", \"premake\": 1");
        assert_eq!(suffixes(&wanted_at(&mart, ZONED, None, "2026-12-31T12:00:00Z")), months, "{zone}");
    }
}

/// Hours and days around both moves of the clock, in three zones: each instant is in one partition, and partitions are ready.
#[test]
fn clocks_that_are_moved_leave_no_hole() {
    for (zone, moves) in [
        ("Europe/Berlin", ["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z"]),
        ("America/Santiago", ["2026-09-06T04:00:00Z", "2026-04-05T03:00:00Z"]),
        ("Australia/Lord_Howe", ["2026-10-03T15:30:00Z", "2026-04-04T15:00:00Z"]),
    ] {
        for moved in moves {
            for interval in ["1 hour", "1 day", "1 month"] {
                let mart = mart(zone, interval, ", \"premake\": 3");
                for minutes in (-300..=300).step_by(30) {
                    let now = at(moved) + TimeDelta::minutes(minutes);
                    let pieces = wanted(&mart, &columns(ZONED), None, None, None, now).unwrap();
                    let ranges: Vec<_> = pieces.iter().filter_map(|piece| piece.range.clone()).collect();
                    assert!(ranges.windows(2).all(|two| two[0].1 == two[1].0), "{zone} {interval} at {now}");
                    let written = now.format("%Y-%m-%d %H:%M:%S+00").to_string();
                    let holds = ranges.iter().filter(|(from, to)| *from <= written && written < *to).count();
                    assert_eq!(holds, 1, "{zone} {interval} at {now}: {ranges:?}");
                    assert!(ranges.len() >= 3, "{zone} {interval} at {now}: {ranges:?}");
                }
            }
        }
    }
}

#[test]
fn what_is_older_than_it_is_kept_leaves_whole() {
    let retaining = |zone: &str, interval: &str, retain: &str| {
        mart(zone, interval, &format!(", \"premake\": 0, \"retain\": \"{retain}\""))
    };
    let of = |mart: &Mart, type_name: &str, from: &str, now: &str| {
        let everything = Mart { partition: mart.partition.clone().map(without_retain), ..mart.clone() };
        let span = chrono::NaiveDateTime::parse_from_str(from, "%Y-%m-%d %H:%M").unwrap();
        let there = wanted(&everything, &columns(type_name), None, Some((span, span)), None, at(now)).unwrap();
        let live = live(type_name, &there);
        let gone: Vec<String> =
            expired(mart, &live, at(now)).iter().map(|a| a.name.name["sales".len()..].to_owned()).collect();
        // What leaves is not wanted again, and what stays is.
        let stays = wanted_at(mart, type_name, None, now);
        assert!(stays.iter().all(|piece| !gone.contains(&piece.name.name["sales".len()..].to_owned())));
        gone
    };
    let months = retaining("UTC", "1 month", "2 months");
    assert_eq!(of(&months, "date", "2025-12-05 00:00", "2026-03-31T23:59:59Z"), ["_y2025_m12"]);
    assert_eq!(of(&months, "date", "2025-12-05 00:00", "2026-04-01T00:00:00Z"), ["_y2025_m12", "_y2026_m01"]);
    // A month before the end of March is the end of February.
    let one = retaining("UTC", "1 month", "1 month");
    assert_eq!(of(&one, "date", "2026-01-05 00:00", "2026-03-31T12:00:00Z"), ["_y2026_m01"]);
    let days = retaining("UTC", "1 day", "1 year");
    assert_eq!(of(&days, "date", "2025-02-27 00:00", "2026-02-28T00:00:00Z"), ["_y2025_m02_d27"]);
    // On the wall of the zone it is another day.
    let abroad = retaining("Pacific/Auckland", "1 day", "1 day");
    assert_eq!(of(&abroad, ZONED, "2026-06-28 00:00", "2026-06-30T11:00:00Z"), ["_y2026_m06_d28"]);
    assert_eq!(of(&abroad, ZONED, "2026-06-28 00:00", "2026-06-30T12:00:00Z"), ["_y2026_m06_d28", "_y2026_m06_d29"]);
    // An hour before a doubled hour is over is not an hour of the wall.
    let hours = retaining("Europe/Berlin", "1 hour", "2 hours");
    assert_eq!(of(&hours, ZONED, "2026-10-25 00:00", "2026-10-25T02:30:00Z"), ["_y2026_m10_d25_h00"]);
}

/// One that somebody made far from all others asks for none in between; those that follow the others belong to them.
#[test]
fn what_stands_far_away_is_none_of_them() {
    let monthly = mart("UTC", "1 month", ", \"premake\": 1");
    let piece = |at: &str| {
        let at = NaiveDateTime::parse_from_str(at, "%Y-%m-%d %H:%M").unwrap();
        monthly.partition.as_ref().unwrap().between(&monthly.name, (TimeType::Date, Tz::UTC), at, at).unwrap().remove(0)
    };
    let ours: Vec<Piece> = ["2026-01-01 00:00", "2026-02-01 00:00", "2026-04-01 00:00"].map(piece).into();
    let now = "2026-03-15T00:00:00Z";
    let all = ["_y2026_m01", "_y2026_m02", "_y2026_m03", "_y2026_m04"];
    let applied = Divided { first: "2026-01-01".into(), last: "2026-04-01".into() };
    let told = |there: &[Piece], applied: Option<&Divided>| {
        let there = live("date", there);
        let pieces = wanted(&monthly, &columns("date"), Some(&there), None, applied, at(now)).unwrap();
        (suffixes(&pieces).join(" "), Divided::of(&monthly, &there, applied).unwrap())
    };
    assert_eq!(told(&ours, Some(&applied)), (all.join(" "), applied.clone()));
    let far: Vec<Piece> = ["2100-01-01 00:00", "1900-01-01 00:00"].map(piece).into();
    assert_eq!(told(&[ours.clone(), far.clone()].concat(), Some(&applied)), (all.join(" "), applied.clone()));
    // What somebody made beside them is one of them from then on.
    let beside: Vec<Piece> = ["2025-12-01 00:00", "2026-05-01 00:00"].map(piece).into();
    let (pieces, reaches) = told(&[ours, far, beside].concat(), Some(&applied));
    assert_eq!(pieces, format!("_y2025_m12 {} _y2026_m05", all.join(" ")));
    assert_eq!((reaches.first.as_str(), reaches.last.as_str()), ("2025-12-01", "2026-05-01"));
}

fn without_retain(partition: Partition) -> Partition {
    let by = match partition.by {
        PartitionBy::Range(ranges) => PartitionBy::Range(Ranges { retain: None, ..ranges }),
        by => by,
    };
    Partition { by, ..partition }
}

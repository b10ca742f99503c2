mod openmetrics;

use std::{collections::BTreeSet, time::Duration};

use tokio::{net::TcpStream, sync::mpsc, time::Instant};

use self::openmetrics::{Family, families};
use super::*;
use crate::{
    config::checked::GroupName,
    event::Outcome,
    serve::tests::{Answer, ask},
    status::sample,
};

fn group(name: &str) -> GroupName {
    GroupName::parse(name).unwrap()
}

fn durations() -> ProbeDurations {
    let durations = ProbeDurations::default();
    durations.observe(&group("trainers"), &Outcome::Passed, Duration::from_micros(731));
    durations.observe(&group("trainers"), &Outcome::Passed, Duration::from_millis(3));
    durations.observe(&group("trainers"), &Outcome::TimedOut, Duration::from_secs(60));
    durations.observe(&group("statistics"), &Outcome::WrongCode(500), Duration::from_millis(1));
    durations.observe(&group("statistics"), &Outcome::Failed("reset".to_owned()), Duration::ZERO);
    durations
}

fn page() -> String {
    text(sample::status(), durations()).unwrap()
}

/// The lines that begin so.
fn lines<'a>(page: &'a str, start: &str) -> Vec<&'a str> {
    page.lines().filter(|line| line.starts_with(start)).collect()
}

async fn scraped(daemon: Ask, what: &str) -> Answer {
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, daemon, durations(), std::future::pending()));
    ask(TcpStream::connect(address).await.unwrap(), what).await
}

#[test]
fn the_page_is_openmetrics() {
    let families = families(&page());
    assert!(families.len() > 15, "{}", families.len());
    for (name, family) in &families {
        assert!(name.starts_with("pointsman_"), "{name}");
        assert!(family.help.ends_with('.'), "{name}");
        assert!(!family.samples.is_empty(), "{name}");
    }
}

#[test]
fn each_number_is_that_of_the_status() {
    let page = page();
    let one = |start: &str, value: &str| assert_eq!(lines(&page, start), [format!("{start} {value}")]);
    one("pointsman_build_info{version=\"0.1.0\"}", "1");
    one("pointsman_start_time_seconds", "1772366400.0");
    one("pointsman_map_memory_bytes", "123456789");
    assert!(page.contains("\npointsman_nat_flows 4321\n"));
    one("pointsman_nat_flows_limit", "1048576");
    one("pointsman_ring_rewrites_total", "12");
    one("pointsman_ring_slots_rewritten_total", "43210");
    one("pointsman_verdict_packets_total{verdict=\"forwarded\"}", "25926906");
    one("pointsman_verdict_bytes_total{verdict=\"not-ours\"}", "51234");
    one("pointsman_target_group_fail_open{target_group=\"trainers\"}", "0");
    one("pointsman_target_group_fail_open{target_group=\"statistics\"}", "1");
    one(
        "pointsman_listener_live{listener=\"web-6\",address=\"2001:db8:100::10\",port=\"80\",protocol=\"tcp\",target_group=\"trainers\"}",
        "1",
    );
    let dead = "target_group=\"trainers\",target=\"node-4\",address=\"10.2.4.2:80\"";
    one(&format!("pointsman_target_healthy{{{dead}}}"), "0");
    one(&format!("pointsman_target_state{{{dead},state=\"initial\"}}"), "0");
    one(&format!("pointsman_target_state{{{dead},state=\"unhealthy\"}}"), "1");
    one(&format!("pointsman_target_health_changes_total{{{dead}}}"), "2");
    one(&format!("pointsman_target_ring_share{{{dead}}}"), "0.0");
    one(&format!("pointsman_target_next_hop_resolved{{{dead}}}"), "0");
    one(&format!("pointsman_target_new_flows_total{{{dead}}}"), "12349");
    let counted = "target_group=\"statistics\",target=\"10.2.2.2:8125\",address=\"10.2.2.2:8125\"";
    one(&format!("pointsman_target_packets_total{{{counted},direction=\"to_target\"}}"), "999");
    one(&format!("pointsman_target_packets_total{{{counted},direction=\"from_target\"}}"), "1000");
    one(&format!("pointsman_target_bytes_total{{{counted},direction=\"to_target\"}}"), "99999");
    one(&format!("pointsman_target_bytes_total{{{counted},direction=\"from_target\"}}"), "999999");
}

#[test]
fn a_check_is_in_the_bucket_of_its_duration() {
    let page = page();
    let passed = "target_group=\"trainers\",result=\"passed\"";
    let bucket = |le: &str, labels: &str| {
        let start = format!("pointsman_probe_duration_seconds_bucket{{le=\"{le}\",{labels}}} ");
        lines(&page, &start).concat().replace(&start, "")
    };
    let buckets = ["0.0005", "0.001", "0.0025", "0.005", "30.0", "+Inf"].map(|le| bucket(le, passed));
    assert_eq!(buckets, ["0", "1", "1", "2", "2", "2"]);
    let late = "target_group=\"trainers\",result=\"timed-out\"";
    assert_eq!([bucket("30.0", late), bucket("+Inf", late)], ["0", "1"]);
    // A bound is within its bucket.
    assert_eq!(bucket("0.001", "target_group=\"statistics\",result=\"wrong-code\""), "1");
    assert_eq!(lines(&page, &format!("pointsman_probe_duration_seconds_sum{{{passed}}}")).len(), 1);
    assert!(page.contains(&format!("pointsman_probe_duration_seconds_sum{{{passed}}} 0.003731\n")));
}

#[test]
fn checks_are_totalled_until_their_group_is_gone() {
    let durations = durations();
    let all = status::Probes { passed: 2, timed_out: 1, wrong_code: 1, failed: 1 };
    assert_eq!(durations.totals(), all);
    durations.clone().retain(|group| group.as_str() == "statistics");
    let rest = status::Probes { passed: 0, timed_out: 0, wrong_code: 1, failed: 1 };
    assert_eq!(durations.totals(), rest);
}

#[test]
fn counters_are_whole_numbers_up_to_the_last() {
    let mut status = sample::status();
    status.ring.rewrites = u64::MAX;
    status.target_groups[0].targets[0].bytes = (1 << 53) + 1;
    let page = text(status, ProbeDurations::default()).unwrap();
    assert_eq!(
        lines(&page, "pointsman_ring_rewrites_total"),
        ["pointsman_ring_rewrites_total 18446744073709551615"]
    );
    assert!(page.contains("direction=\"to_target\"} 9007199254740993\n"), "one more than a float holds");
    families(&page);
}

#[test]
fn label_values_cannot_break_out() {
    let hostile = ["\"} 1\npointsman_evil 1\n# EOF", "back\\slash", "\\\"", "\\n", "\u{1f682}\t\r", ""];
    for name in hostile {
        let mut status = sample::status();
        status.target_groups[0].targets[0].name = name.to_owned();
        status.target_groups[0].name = name.to_owned();
        status.listeners[0].name = name.to_owned();
        status.version = name.to_owned();
        let families = families(&text(status, durations()).unwrap());
        let has = |family: &str, label: &str| {
            let Family { samples, .. } = &families[family];
            let labels = samples.iter().flat_map(|sample| &sample.labels);
            labels.into_iter().any(|it| *it == (label.to_owned(), name.to_owned()))
        };
        assert!(has("pointsman_target_packets", "target"), "{name:?}");
        assert!(has("pointsman_target_group_fail_open", "target_group"), "{name:?}");
        assert!(has("pointsman_listener_live", "listener"), "{name:?}");
        assert!(has("pointsman_build", "version"), "{name:?}");
        assert!(!families.contains_key("pointsman_evil"), "{name:?}");
    }
}

#[test]
fn a_daemon_with_nothing_to_do_has_a_page() {
    let mut status = sample::status();
    status.listeners.clear();
    status.target_groups.clear();
    status.verdicts.clear();
    families(&text(status, ProbeDurations::default()).unwrap());
}

/// `docs/metrics.md` names each metric, with its type, its unit and its labels, in a row of a table.
#[test]
fn every_metric_is_documented_and_no_other() {
    let documentation = include_str!("../../../docs/metrics.md");
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().replace('`', "")).collect::<Vec<_>>();
    let rows = documentation.lines().filter(|line| line.starts_with("| `pointsman_")).map(cells);
    let documented: BTreeSet<Vec<String>> = rows.map(|row| row[1..=4].to_vec()).collect();

    let written = families(&page()).into_iter().map(|(name, family)| {
        let suffix = match family.kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let labels = &family.samples[0].labels;
        let labels: Vec<&str> =
            labels.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "le").collect();
        vec![format!("{name}{suffix}"), family.kind, family.unit.unwrap_or_default(), labels.join(", ")]
    });
    assert_eq!(documented, written.collect());
}

#[tokio::test]
async fn a_scrape_gets_the_page() {
    let (daemon, _task) = sample::daemon(sample::status());
    let answer = scraped(daemon, "GET /metrics").await;
    assert_eq!(answer.code, 200);
    let kind = "\r\ncontent-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    assert!(answer.head.contains(kind), "{}", answer.head);
    assert_eq!(answer.body, page());
}

#[tokio::test]
async fn what_is_not_the_page_is_refused() {
    let (daemon, _task) = sample::daemon(sample::status());
    assert_eq!(scraped(daemon.clone(), "GET /").await.refusal().0, "not-found");
    assert_eq!(scraped(daemon.clone(), "GET /v1/status").await.refusal().0, "not-found");
    assert_eq!(scraped(daemon, "POST /metrics").await.refusal().0, "method-not-allowed");
}

#[tokio::test(start_paused = true)]
async fn a_busy_daemon_is_a_503_within_bounds() {
    let (daemon, _questions) = mpsc::channel(1);
    let began = Instant::now();
    let answer = scraped(daemon, "GET /metrics").await;
    assert_eq!((answer.code, answer.refusal().0.as_str()), (503, "busy"));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let first = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = first.local_addr().unwrap();
    let error = bind(address).await.unwrap_err();
    assert_eq!(error.to_string(), format!("listen for scrapes of the metrics at `{address}`"));
}

use std::{future::pending, path::PathBuf};

use super::*;
use crate::{
    api,
    serve::tests::Folder,
    status::{Status, Traffic, sample, sample::now},
};

fn page_of(status: &Status, width: Option<usize>) -> String {
    page::page(status, now(), width)
}

/// The lines from the one that begins so to the next empty one.
fn part(page: &str, start: &str) -> String {
    let lines = page.lines().skip_while(|line| !line.starts_with(start));
    lines.take_while(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_page_says_it_all() {
    let expected = "\
pointsman 0.1.0, up 3h 12m, on eth1 (driver), eth2 (generic), by /etc/pointsman/pointsman.toml
maps of 123 MB; 12 ring rewrites, 43.2 k slots in all, last 2m 3s ago
4.32 k nat flows of 1.04 M at most
765 flows tracked of 1.04 M at most
6.92 k health checks: 6.91 k passed, 2 timed out, 1 wrong code, 0 failed

LISTENERS
  LISTENER  ADDRESS                    PROTOCOL  LIVE  TARGET GROUP
  web       198.51.100.10:80           tcp       yes   trainers
  web-6     [2001:db8:100::10]:80      tcp       yes   trainers
  statsd    198.51.100.11, every port  udp       NO    statistics

TARGET GROUP trainers: 5 of 6 healthy, ipip, by five-tuple, 65537 slots, behind web, web-6
  TARGET  ADDRESS      STATE         FOR   SHARE  NEW FLOWS  PACKETS    BYTES
  node-1  10.2.1.2:80  healthy    3h 12m  20.0 %     12.3 k   1.23 M  98.7 MB
  node-2  10.2.2.2:80  healthy    3h 12m  20.0 %     12.3 k   2.46 M   197 MB
  node-3  10.2.3.2:80  healthy    3h 12m  20.0 %     12.3 k   3.70 M   296 MB
  node-4  10.2.4.2:80  unhealthy   2m 3s   0.0 %     12.3 k   4.93 M   395 MB
  node-5  10.2.5.2:80  healthy    3h 12m  20.0 %     12.3 k   6.17 M   493 MB
  node-6  10.2.6.2:80  healthy    3h 12m  20.0 %     12.3 k   7.40 M   592 MB
  node-4: Target.Timeout: Request timed out
  node-4: nothing can be sent to it: the neighbour 10.2.0.1 does not answer yet
  removed, but flows of theirs go on: 10.2.9.2:80
  slots in motion: 13107 learn, 21 are pinned

TARGET GROUP statistics: 0 of 1 healthy, nat, by source-ip, 4093 slots, behind statsd
  FAILS OPEN: no target is healthy, so all serve
  TARGET         STATE    FOR    SHARE  NEW FLOWS  PACKETS    BYTES  REPLIES  REPLY BYTES
  10.2.2.2:8125  initial   3s  100.0 %          0      999  99.9 kB   1.00 k       999 kB
  10.2.2.2:8125: Elb.InitialHealthChecking: Initial health checks in progress

PACKETS
  VERDICT              PACKETS    BYTES  MEANING
  forwarded             25.9 M  2.07 GB  Sent to a target.
  returned              1.00 k   999 kB  Sent back from a target to its client.
  next-hop-unresolved       17  1.19 kB  The next hop towards the target is not known (yet): dropped.
  not-ours                 421  51.2 kB  No listener has this address, port and protocol: the host's, untouched.
";
    assert_eq!(page_of(&sample::status(), None), expected);
}

#[test]
fn a_narrow_terminal_gets_fewer_columns_and_is_told() {
    let page = page_of(&sample::status(), Some(56));
    let expected = "\
TARGET GROUP trainers: 5 of 6 healthy, ipip, by
    five-tuple, 65537 slots, behind web, web-6
  TARGET  STATE         FOR   SHARE  NEW FLOWS  PACKETS
  node-1  healthy    3h 12m  20.0 %     12.3 k   1.23 M
  node-2  healthy    3h 12m  20.0 %     12.3 k   2.46 M
  node-3  healthy    3h 12m  20.0 %     12.3 k   3.70 M
  node-4  unhealthy   2m 3s   0.0 %     12.3 k   4.93 M
  node-5  healthy    3h 12m  20.0 %     12.3 k   6.17 M
  node-6  healthy    3h 12m  20.0 %     12.3 k   7.40 M
  (no room for ADDRESS, BYTES; `--json` has all)
  node-4: Target.Timeout: Request timed out
  node-4: nothing can be sent to it: the neighbour
    10.2.0.1 does not answer yet
  removed, but flows of theirs go on: 10.2.9.2:80
  slots in motion: 13107 learn, 21 are pinned
";
    assert_eq!(part(&page, "TARGET GROUP trainers"), expected);
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in 56..200 {
        let page = page_of(&sample::status(), Some(width));
        let widest = page.lines().max_by_key(|line| line.len()).unwrap();
        assert!(widest.len() <= width, "{width}: {widest}");
    }
    for width in 0..56 {
        assert!(page_of(&sample::status(), Some(width)).contains("node-4"), "{width}");
    }
}

#[test]
fn a_daemon_with_nothing_to_do_says_so() {
    let mut status = sample::status();
    status.listeners.clear();
    status.target_groups.clear();
    status.verdicts.values_mut().for_each(|traffic| *traffic = Traffic::default());
    status.node.interfaces.clear();
    status.ring.last_change = None;
    let page = page_of(&status, Some(80));
    assert!(page.contains("on no interface, by"), "{page}");
    assert!(page.contains("43.2 k slots in all\n"), "{page}");
    assert_eq!(part(&page, "NO LISTENERS"), "NO LISTENERS: every packet is passed to the host\n");
    assert_eq!(part(&page, "PACKETS"), "PACKETS\n  none so far\n");
}

#[test]
fn a_range_of_ports_is_shown_as_it_is_written() {
    let mut status = sample::status();
    status.listeners.iter_mut().for_each(|listener| listener.last_port = Some(29_499));
    let page = page_of(&status, None);
    assert!(page.contains("  198.51.100.10:80-29499 "), "{page}");
    assert!(page.contains("  [2001:db8:100::10]:80-29499 "), "{page}");
}

#[test]
fn a_group_without_targets_or_listeners_is_shown() {
    let mut status = sample::status();
    let group = status.target_groups.first_mut().unwrap();
    group.targets.clear();
    group.listeners.clear();
    group.leaving.clear();
    (group.learning_slots, group.pinned_slots) = (0, 0);
    let expected =
        "TARGET GROUP trainers: 0 of 0 healthy, ipip, by five-tuple, 65537 slots, behind no listener\n";
    assert_eq!(part(&page_of(&status, None), "TARGET GROUP trainers"), expected);
}

#[test]
fn a_verdict_of_a_newer_daemon_has_no_meaning_here() {
    let mut status = sample::status();
    status.verdicts.insert("zapped".to_owned(), Traffic { packets: 1, bytes: 60 });
    let page = page_of(&status, None);
    assert!(page.ends_with("  zapped                     1     60 B\n"), "{page}");
}

async fn refused(socket: PathBuf) -> String {
    // As `main` prints it.
    format!("{:#}", run(&socket, false).await.unwrap_err()).replace(&socket.display().to_string(), "SOCKET")
}

#[tokio::test]
async fn without_a_daemon_it_says_how_to_get_one() {
    let folder = Folder::new("cli-none");
    let nobody =
        "no daemon answers at `SOCKET`: start it with `pointsman run`, or name its socket with `--socket`";
    assert_eq!(refused(folder.join("none.sock")).await, nobody);
    let stale = folder.join("stale.sock");
    drop(tokio::net::UnixListener::bind(&stale).unwrap());
    assert_eq!(refused(stale).await, nobody);
}

#[tokio::test]
async fn an_answer_comes_through_the_socket() {
    let folder = Folder::new("cli-answer");
    let path = folder.join("api.sock");
    let (daemon, _task) = sample::daemon(sample::status());
    tokio::spawn(api::serve(api::Socket::bind(&path).await.unwrap(), daemon, pending()));
    let body = client::get(&path, "/v1/status").await.unwrap();
    assert_eq!(serde_json::from_slice::<Status>(&body).unwrap(), sample::status());
    let missing = client::get(&path, "/v1/other").await.unwrap_err().to_string();
    assert!(missing.ends_with("refuses: nothing is at `/v1/other`"), "{missing}");
}

#[tokio::test(start_paused = true)]
async fn a_busy_daemons_own_words_are_shown() {
    let folder = Folder::new("cli-busy");
    let path = folder.join("api.sock");
    let (daemon, _questions) = tokio::sync::mpsc::channel(1);
    tokio::spawn(api::serve(api::Socket::bind(&path).await.unwrap(), daemon, pending()));
    let said = "the daemon at `SOCKET` refuses: the daemon did not answer within 2 s";
    assert_eq!(refused(path).await, said);
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_says_nothing_is_given_up() {
    let folder = Folder::new("cli-silent");
    let path = folder.join("api.sock");
    let _silent = tokio::net::UnixListener::bind(&path).unwrap();
    assert_eq!(refused(path).await, "the daemon at `SOCKET` does not answer within 5 s");
}

#[tokio::test]
async fn an_answer_that_is_not_understood_is_no_status() {
    let folder = Folder::new("cli-garbage");
    let path = folder.join("api.sock");
    let router = axum::Router::new().route("/v1/status", axum::routing::get(async || "[]"));
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(crate::serve::serve(listener, router, pending()));
    let said = refused(path).await;
    let act = "read the answer of the daemon at `SOCKET`: is it of another version?";
    assert!(said.starts_with(act), "{said}");
}

//! Labs do not meet, and none outlives its owner.

use std::net::IpAddr;
use std::path::Path;

use harness::lab::{Family, Lab, Plan};
use harness::process::Process;
use harness::wait;

use crate::{BOUND, bounded};

fn traces_of(label: &str) -> Vec<String> {
    [Path::new("/run/netns"), &std::env::temp_dir()]
        .iter()
        .flat_map(|directory| std::fs::read_dir(directory).into_iter().flatten().flatten())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(label))
        .collect()
}

#[test]
fn labs_stand_side_by_side_with_the_same_addresses() {
    let labs = [(); 2].map(|()| Lab::build(Plan { nodes: 1, ..Plan::default() }).unwrap());
    assert_ne!(labs[0].label(), labs[1].label());
    assert_eq!(labs[0].edge_address(Family::V4), IpAddr::from([10, 1, 0, 2]));
    assert_eq!(labs[0].edge_address(Family::V4), labs[1].edge_address(Family::V4));
}

#[test]
fn a_dropped_lab_leaves_nothing_behind() {
    let lab = Lab::build(Plan::default()).unwrap();
    let label = lab.label().to_owned();
    // Three hosts, three nodes, one directory.
    assert_eq!(traces_of(&label).len(), 7);
    drop(lab);
    assert_eq!(traces_of(&label), Vec::<String>::new());
}

#[tokio::test]
async fn a_panic_takes_the_lab_and_its_processes_along() {
    let (tell, told) = std::sync::mpsc::channel();
    let panicked = std::thread::spawn(move || {
        let lab = Lab::build(Plan { nodes: 1, ..Plan::default() }).unwrap();
        let log = lab.directory().join("sleep.log");
        let process = Process::start(&lab.edge, "sleep", Path::new("sleep"), &["1000"], log).unwrap();
        tell.send((lab.label().to_owned(), process.id())).unwrap();
        // As if nobody had been there to end it.
        std::mem::forget(process);
        panic!("meant to happen");
    });
    panicked.join().unwrap_err();
    let (label, process) = told.recv().unwrap();
    assert_eq!(traces_of(&label), Vec::<String>::new());
    bounded(async {
        // Nobody reaps the forgotten child, so it stays as a zombie (Z) of ours.
        let stat = format!("/proc/{process}/stat");
        wait::until("the process in it has ended", BOUND, async || {
            std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") Z ")).then_some(())
        })
        .await
    })
    .await;
}

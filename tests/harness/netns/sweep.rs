//! Taking namespaces down, those of labs whose process died without doing so included.

use std::collections::BTreeSet;
use std::fs;
use std::os::linux::fs::MetadataExt as _;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{DIRECTORY, path_of};
use crate::{command, scratch};

/// Ends what runs in these namespaces and deletes them. Goes on past whatever is gone already.
pub(super) fn demolish(names: &BTreeSet<String>) {
    let standing: Vec<&String> = names.iter().filter(|name| path_of(name).exists()).collect();
    if standing.is_empty() {
        return;
    }
    end_processes_in(&standing);
    let script: String = standing.iter().map(|name| format!("netns delete {name}\n")).collect();
    if let Err(error) = command::run("ip", &["-force", "-batch", "-"], &script)
        && standing.iter().any(|name| path_of(name).exists())
    {
        eprintln!("delete namespaces: {error:#}");
    }
}

/// Removes what labs of dead processes left: namespaces with all that runs in them, and directories.
pub(super) fn remove_leftovers() {
    let names = entries(Path::new(DIRECTORY)).filter(|name| is_orphan(name)).collect();
    demolish(&names);
    for name in entries(&std::env::temp_dir()).filter(|name| is_orphan(name)) {
        scratch::remove(&std::env::temp_dir().join(name));
    }
}

fn entries(directory: &Path) -> impl Iterator<Item = String> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
}

/// Whether this is a name of ours, `pm-<process>-..`, and that process is no more.
fn is_orphan(name: &str) -> bool {
    name.strip_prefix("pm-")
        .and_then(|rest| rest.split('-').next())
        .and_then(|process| process.parse::<u32>().ok())
        .is_some_and(|process| !Path::new("/proc").join(process.to_string()).exists())
}

/// A namespace lives as long as a process in it, whatever becomes of its name.
fn end_processes_in(names: &[&String]) {
    let places: BTreeSet<(u64, u64)> = names
        .iter()
        .filter_map(|name| fs::metadata(path_of(name)).ok())
        .map(|it| (it.st_dev(), it.st_ino()))
        .collect();
    let ours = std::process::id().cast_signed();
    for process in entries(Path::new("/proc")).filter_map(|name| name.parse::<i32>().ok()) {
        let place = fs::metadata(format!("/proc/{process}/ns/net")).map(|it| (it.st_dev(), it.st_ino()));
        if process != ours && place.is_ok_and(|place| places.contains(&place)) {
            // It may have ended since we looked, which is what we want.
            let _gone = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
    }
}

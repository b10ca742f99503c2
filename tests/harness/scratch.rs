//! A directory a lab, for sockets, configuration and logs.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// A directory that goes when it is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes the directory `label`, a lab's own name, so that the sweep of a later run knows whose it was.
    pub fn make(label: &str) -> Result<Self> {
        let path = std::env::temp_dir().join(label);
        fs::create_dir(&path).with_context(|| format!("make directory `{}`", path.display()))?;
        Ok(Self { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

pub(crate) fn remove(path: &Path) {
    match fs::remove_dir_all(path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => eprintln!("remove directory `{}`: {error}", path.display()),
    }
}

/// Removes every scratch directory of this process.
pub(crate) fn remove_all() {
    let ours = format!("pm-{}-", std::process::id());
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&ours) {
            remove(&entry.path());
        }
    }
}

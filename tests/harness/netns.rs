//! Network namespaces with names that no other run uses, and that do not outlive their owner.

mod interrupt;
mod sweep;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};

use anyhow::{Context as _, Result};
use nix::sched::{CloneFlags, setns};

use crate::command;

/// Where iproute2 keeps named namespaces.
const DIRECTORY: &str = "/run/netns";

/// Namespaces of this process that still stand: what an interrupt must take down.
static STANDING: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// One network namespace. A clone means the same one.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: Arc<str>,
    file: Arc<File>,
}

impl Namespace {
    fn open(name: &str) -> Result<Self> {
        let path = path_of(name);
        let file = File::open(&path).with_context(|| format!("open namespace `{}`", path.display()))?;
        Ok(Self { name: name.into(), file: Arc::new(file) })
    }

    /// The name that `ip netns exec` takes.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `act` with this thread in the namespace, and brings the thread back.
    ///
    /// A socket belongs for ever to the namespace that it was made in, so `act` makes sockets and leaves the
    /// talking to whoever gets them. `act` cannot await: no other task of the thread ever sees the namespace.
    pub fn inside<T>(&self, act: impl FnOnce() -> T) -> Result<T> {
        let _visit = Visit::to(self)?;
        Ok(act())
    }

    /// Feeds `script` to one `ip -batch` in the namespace: one process, however many lines.
    pub fn ip(&self, script: &str) -> Result<()> {
        self.inside(|| command::run("ip", &["-batch", "-"], script))?
            .with_context(|| format!("configure namespace `{}`", self.name))
    }

    /// Reads one kernel parameter: a path below `/proc/sys/net`.
    pub fn parameter(&self, key: &str) -> Result<String> {
        self.inside(|| std::fs::read_to_string(format!("/proc/sys/net/{key}")))?
            .map(|text| text.trim().to_owned())
            .with_context(|| format!("read `net/{key}` in namespace `{}`", self.name))
    }

    /// Sets kernel parameters: paths below `/proc/sys/net`, which shows the namespace of whoever opens it.
    pub fn sysctl(&self, settings: &[(&str, &str)]) -> Result<()> {
        self.inside(|| {
            settings.iter().try_for_each(|(key, value)| {
                std::fs::write(format!("/proc/sys/net/{key}"), value)
                    .with_context(|| format!("set `net/{key}` to `{value}` in namespace `{}`", self.name))
            })
        })?
    }
}

fn path_of(name: &str) -> PathBuf {
    PathBuf::from(DIRECTORY).join(name)
}

/// This thread's stay in another namespace; ends when dropped, after a panic too.
struct Visit {
    home: File,
}

impl Visit {
    fn to(namespace: &Namespace) -> Result<Self> {
        let home = File::open("/proc/thread-self/ns/net").context("open this thread's own namespace")?;
        setns(&*namespace.file, CloneFlags::CLONE_NEWNET)
            .with_context(|| format!("enter namespace `{}` (this needs CAP_SYS_ADMIN)", namespace.name))?;
        Ok(Self { home })
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Err(error) = setns(&self.home, CloneFlags::CLONE_NEWNET) {
            // Going on would let later sockets of this thread land in a namespace that nobody meant.
            eprintln!("return from a namespace: {error}");
            std::process::abort();
        }
    }
}

/// The namespaces of one lab. Dropping it ends the processes inside and deletes them all.
#[derive(Debug)]
pub struct Namespaces {
    label: String,
    roles: Vec<String>,
}

impl Namespaces {
    /// Makes one namespace a role, named `pm-<process>-<lab>-<role>`.
    pub fn make(roles: Vec<String>) -> Result<Self> {
        static START: Once = Once::new();
        static LABS: AtomicU32 = AtomicU32::new(0);
        command::require("ip", "iproute2")?;
        START.call_once(|| {
            sweep::remove_leftovers();
            interrupt::delete_when_interrupted();
        });
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        let made = Self { label: format!("pm-{}-{number}", std::process::id()), roles };
        // Registered before they exist, and `made` owned before they exist: whatever interrupts, they go.
        standing().extend(made.names());
        let script: String = made.names().map(|name| format!("netns add {name}\n")).collect();
        command::run("ip", &["-batch", "-"], &script).context("make namespaces (this needs root)")?;
        Ok(made)
    }

    /// What the lab is called: the part that its namespaces' names share.
    pub fn label(&self) -> &str {
        &self.label
    }

    pub fn name(&self, role: &str) -> String {
        format!("{}-{role}", self.label)
    }

    pub fn open(&self, role: &str) -> Result<Namespace> {
        Namespace::open(&self.name(role))
    }

    fn names(&self) -> impl Iterator<Item = String> + '_ {
        self.roles.iter().map(|role| self.name(role))
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        let names: BTreeSet<String> = self.names().collect();
        sweep::demolish(&names);
        standing().retain(|name| !names.contains(name));
    }
}

fn standing() -> std::sync::MutexGuard<'static, BTreeSet<String>> {
    // A set of names is whole after every operation, so a panic elsewhere leaves nothing half done in it.
    STANDING.lock().unwrap_or_else(PoisonError::into_inner)
}

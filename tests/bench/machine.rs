//! What we measure on, and whether that can be measured on.

use std::fs;

use anyhow::{Context as _, Result, bail, ensure};

const JIT: &str = "/proc/sys/net/core/bpf_jit_enable";

pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cpus: usize,
    pub(crate) kernel: String,
}

impl Machine {
    /// # Errors
    /// Why times taken here would mean nothing, or could not be taken.
    pub(crate) fn fit_to_measure() -> Result<Self> {
        ensure!(
            nix::unistd::geteuid().is_root(),
            "loading XDP programs needs root: `sudo -E cargo xtask bench`"
        );
        let jit = read(JIT)?;
        if jit.trim() == "0" {
            bail!(
                "the kernel's BPF JIT is off (`{JIT}` is 0): programs are interpreted, some ten times slower; \
                 `sysctl net.core.bpf_jit_enable=1` turns it on"
            );
        }
        let info = read("/proc/cpuinfo")?;
        let models = || info.lines().filter_map(|line| line.strip_prefix("model name"));
        Ok(Self {
            cpu: models().next().map_or("unknown CPU", |name| name.trim_matches([' ', '\t', ':'])).to_owned(),
            cpus: models().count(),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        })
    }
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("read `{path}`"))
}

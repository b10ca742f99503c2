//! Which steps lead from what there is to what a verb needs. Pure: facts in, steps out.

use std::fmt;

use super::apt::Package;
use super::toolchain::CoreFrom;

/// What a verb needs besides the tools of a build, which all of them need.
#[derive(Clone, Copy, Default)]
pub(crate) struct Needs {
    /// Namespaces with interfaces in them.
    pub(crate) network: bool,
    /// Clippy and rustfmt.
    pub(crate) lint: bool,
}

/// What is there.
#[derive(Clone)]
pub(super) struct Facts {
    pub(super) host: String,
    pub(super) rust_src: bool,
    pub(super) debian_core: bool,
    pub(super) clippy: bool,
    pub(super) rustfmt: bool,
    pub(super) bpf_linker: bool,
    pub(super) llvm: bool,
    pub(super) cc: bool,
    pub(super) ip: bool,
    pub(super) ethtool: bool,
}

/// One thing to install. Its text is the one line that says what and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Packages(Vec<Package>),
    Components(Vec<&'static str>),
    RustSrc {
        /// If it can't be had, Debian's packages will do.
        or_debian: bool,
    },
    DebianCore,
    BpfLinker,
}

/// Where `core` comes from once the plan is carried out, if rust-src can be had.
pub(super) fn core(facts: &Facts, forced: Option<CoreFrom>) -> CoreFrom {
    match forced {
        Some(forced) => forced,
        // Once had from Debian, it is not looked for on the network again.
        None if !facts.rust_src && facts.debian_core => CoreFrom::Debian,
        None => CoreFrom::RustSrc,
    }
}

pub(super) fn plan(needs: Needs, facts: &Facts, forced: Option<CoreFrom>) -> Vec<Step> {
    let mut steps = Vec::new();
    let packages = packages(needs, facts);
    if !packages.is_empty() {
        // First: the linker's build needs a C linker and LLVM.
        steps.push(Step::Packages(packages));
    }
    let components = components(needs, facts);
    if !components.is_empty() {
        steps.push(Step::Components(components));
    }
    match core(facts, forced) {
        CoreFrom::RustSrc if !facts.rust_src => steps.push(Step::RustSrc { or_debian: forced.is_none() }),
        CoreFrom::Debian if !facts.debian_core => steps.push(Step::DebianCore),
        CoreFrom::RustSrc | CoreFrom::Debian => {}
    }
    if !facts.bpf_linker {
        steps.push(Step::BpfLinker);
    }
    steps
}

fn packages(needs: Needs, facts: &Facts) -> Vec<Package> {
    let wanted = [
        (!facts.cc, Package { name: "gcc", why: "Rust links with it" }),
        (!facts.cc, Package { name: "libc6-dev", why: "what it links against" }),
        (!facts.bpf_linker && !facts.llvm, Package { name: "llvm-22-dev", why: "bpf-linker is built on it" }),
        (needs.network && !facts.ip, Package { name: "iproute2", why: "`ip` lays out the test network" }),
        (needs.network && !facts.ethtool, Package { name: "ethtool", why: "turns offloads off in it" }),
    ];
    wanted.into_iter().filter_map(|(missing, package)| missing.then_some(package)).collect()
}

fn components(needs: Needs, facts: &Facts) -> Vec<&'static str> {
    let wanted = [(!facts.clippy, "clippy"), (!facts.rustfmt, "rustfmt")];
    wanted
        .into_iter()
        .filter_map(|(missing, component)| (needs.lint && missing).then_some(component))
        .collect()
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packages(packages) => {
                write!(f, "installing Debian packages:")?;
                for (nth, Package { name, why }) in packages.iter().enumerate() {
                    write!(f, "{} {name} ({why})", if nth == 0 { "" } else { "," })?;
                }
                Ok(())
            }
            Self::Components(components) => {
                write!(f, "adding the toolchain's {} (to lint with)", components.join(" and "))
            }
            Self::RustSrc { .. } => {
                write!(f, "adding the toolchain's rust-src (`core` for the BPF target is built from it)")
            }
            Self::DebianCore => write!(
                f,
                "unpacking Debian's rustc-web and BPF `core` into target/tools (a compiler for the BPF target; nothing is installed)"
            ),
            Self::BpfLinker => {
                write!(f, "building bpf-linker into target/tools (it links the XDP programs; about a minute)")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: Needs = Needs { network: true, lint: true };

    fn full() -> Facts {
        Facts {
            host: "x86_64-unknown-linux-gnu".to_owned(),
            rust_src: true,
            debian_core: false,
            clippy: true,
            rustfmt: true,
            bpf_linker: true,
            llvm: true,
            cc: true,
            ip: true,
            ethtool: true,
        }
    }

    fn bare() -> Facts {
        Facts {
            rust_src: false,
            clippy: false,
            rustfmt: false,
            bpf_linker: false,
            llvm: false,
            cc: false,
            ip: false,
            ethtool: false,
            ..full()
        }
    }

    fn package_names(steps: &[Step]) -> Vec<&'static str> {
        let lists = steps.iter().filter_map(|step| match step {
            Step::Packages(packages) => Some(packages),
            Step::Components(_) | Step::RustSrc { .. } | Step::DebianCore | Step::BpfLinker => None,
        });
        lists.flatten().map(|package| package.name).collect()
    }

    #[test]
    fn nothing_to_do_when_all_is_there() {
        assert_eq!(plan(EVERYTHING, &full(), None), []);
        assert_eq!(plan(EVERYTHING, &full(), Some(CoreFrom::RustSrc)), []);
        let linker_without_llvm = Facts { llvm: false, ..full() };
        assert_eq!(plan(EVERYTHING, &linker_without_llvm, None), []);
    }

    #[test]
    fn bare_machine_gets_packages_before_what_is_built_with_them() {
        let steps = plan(Needs { network: true, lint: false }, &bare(), None);
        assert!(matches!(
            steps.as_slice(),
            [Step::Packages(_), Step::RustSrc { or_debian: true }, Step::BpfLinker]
        ));
        assert_eq!(package_names(&steps), ["gcc", "libc6-dev", "llvm-22-dev", "iproute2", "ethtool"]);
    }

    #[test]
    fn verb_gets_only_what_it_needs() {
        let build = plan(Needs::default(), &bare(), None);
        assert_eq!(package_names(&build), ["gcc", "libc6-dev", "llvm-22-dev"]);
        let lint = plan(Needs { network: false, lint: true }, &Facts { clippy: false, ..full() }, None);
        assert_eq!(lint, [Step::Components(vec!["clippy"])]);
    }

    #[test]
    fn forced_source_has_no_second_choice() {
        let without_src = Facts { rust_src: false, debian_core: true, ..full() };
        let steps = plan(Needs::default(), &without_src, Some(CoreFrom::RustSrc));
        assert_eq!(steps, [Step::RustSrc { or_debian: false }]);
        assert_eq!(plan(Needs::default(), &full(), Some(CoreFrom::Debian)), [Step::DebianCore]);
    }

    #[test]
    fn debian_core_once_unpacked_is_used_without_asking_the_network() {
        let facts = Facts { rust_src: false, debian_core: true, ..full() };
        assert_eq!(core(&facts, None), CoreFrom::Debian);
        assert_eq!(plan(EVERYTHING, &facts, None), []);
        assert_eq!(core(&full(), None), CoreFrom::RustSrc);
    }

    #[test]
    fn every_step_says_itself_in_one_line() {
        let mut steps = plan(EVERYTHING, &bare(), None);
        steps.push(Step::DebianCore);
        for step in steps {
            let line = step.to_string();
            assert!(!line.contains('\n') && line.contains('('), "{line}");
        }
    }
}

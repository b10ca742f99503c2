//! Loads the object with its maps in the configured sizes, and says what was wrong if that fails.

use aya::{
    Ebpf, EbpfLoader,
    maps::{Map, MapError},
    programs::ProgramError,
};
use lb_common::{
    flow::Tick,
    maps::{
        FlowSet, HashKeys, Idle, Listener, ListenerKeyV6, Session, Settings, TRACKED_BLOCK, Tally, Target,
    },
    ranges::PortRanges,
    verdict::counter_lines,
};

use super::{mapped::Mapped, ranges::SPARE};
use crate::config::checked::Config;

/// The edge program and its maps, built from `lb-ebpf`.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/pointsman-edge"));

/// A flow that no reply was seen of, or no second packet, is forgotten after this long: a SYN flood's flows
/// soon make room.
const OPENING_IDLE: std::time::Duration = std::time::Duration::from_secs(30);
/// A closed flow's entries linger as the peers' TIME_WAIT does on Linux, so that a late segment still
/// finds its way; a new flow that finds no other place takes theirs before.
const CLOSED_IDLE: std::time::Duration = std::time::Duration::from_secs(60);

/// ICMP errors that the node sends a second, over all CPUs. A flood of packets that are too big, from sources that are
/// made up, is answered with some 100 Mbit/s and no more (RFC 4443, section 2.4(f)).
const ERRORS_PER_SECOND: u32 = 10_000;

/// Capacities of the maps, in elements. Fixed while the program is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Listeners and addresses of each family.
    pub listeners: u32,
    /// Pairs of address and protocol with listeners on port ranges.
    pub range_lists: u32,
    /// Highest id of a target.
    pub targets: u32,
    /// Slots of all rings together.
    pub slots: u32,
    /// `nat` flows: a power of two.
    pub nat_flows: u32,
    /// Flows of slots that changed: a power of two, 1,024 at least.
    pub tracked_flows: u32,
}

impl Sizes {
    pub fn of(config: &Config) -> Self {
        Self {
            // Each may have an address of its own, which has an entry too. `nat` has two protocols to hear replies
            // by, at an address of each family.
            listeners: 2 * config.limits.listeners + 3,
            range_lists: config.limits.range_lists,
            targets: config.limits.targets,
            slots: config.limits.slots,
            nat_flows: config.nat.as_ref().map_or(4, |nat| nat.flows),
            tracked_flows: config.tracking.flows,
        }
    }

    /// A list is written beside the one in use.
    pub const fn range_elements(&self) -> u32 {
        self.range_lists + SPARE
    }

    /// Entries for twice as many flows as sessions: sets that fill by chance stay rare.
    pub const fn flow_sets(&self) -> u32 {
        self.nat_flows / 2
    }

    pub const fn tracked_sets(&self) -> u32 {
        self.tracked_flows / 4
    }

    pub const fn tracked_blocks(&self) -> u32 {
        self.tracked_sets().div_ceil(TRACKED_BLOCK)
    }

    /// What the maps take, in bytes; the counters once for each of `cpus`.
    pub fn bytes(&self, cpus: usize) -> u64 {
        let array = |elements: u32, size: usize| u64::from(elements) * size as u64;
        let listener = size_of::<ListenerKeyV6>() + size_of::<Listener>();
        array(self.listeners, 2 * listener)
            + array(self.range_elements(), size_of::<PortRanges>())
            + array(self.targets + 1, size_of::<Target>())
            + array(self.slots, 8)
            + array(self.flow_sets(), size_of::<FlowSet>())
            + array(self.nat_flows, size_of::<Session>())
            + array(self.tracked_sets(), size_of::<FlowSet>())
            + array(self.tracked_blocks(), 8)
            + array(counter_lines(self.targets), size_of::<Tally>() * cpus)
    }
}

/// What the program is told before it is loaded.
pub fn settings(config: &Config) -> Settings {
    let sizes = Sizes::of(config);
    let (nat, tracking) = (config.nat.as_ref(), &config.tracking);
    let (first, last) = nat.map_or((1, 0), |nat| (*nat.ports.start(), *nat.ports.end()));
    Settings {
        keys: HashKeys::from_seed(config.node.seed.0.as_bytes()),
        flow_sets_mask: sizes.flow_sets() - 1,
        sessions_mask: sizes.nat_flows - 1,
        nat_first_port: u32::from(first),
        nat_ports: u32::from(last) + 1 - u32::from(first),
        nat_idle: Idle {
            tcp: nat.map_or(0, |nat| Tick::span(nat.tcp_idle_timeout)),
            udp: nat.map_or(0, |nat| Tick::span(nat.udp_idle_timeout)),
            opening: Tick::span(OPENING_IDLE),
            closed: Tick::span(CLOSED_IDLE),
        },
        tracked_sets_mask: sizes.tracked_sets() - 1,
        tracked_budget: budget(tracking.new_flows_per_second),
        tracked_idle: Idle {
            tcp: Tick::span(tracking.tcp_idle_timeout),
            udp: Tick::span(tracking.udp_idle_timeout),
            opening: Tick::span(OPENING_IDLE),
            closed: Tick::span(CLOSED_IDLE),
        },
        errors_budget: budget(ERRORS_PER_SECOND),
        reserved: 0,
    }
}

/// A CPU's share of what all may do in a second, within a tick, which is about one.
fn budget(per_second: u32) -> u32 {
    let cpus = aya::util::nr_cpus().ok().and_then(|cpus| u32::try_from(cpus).ok()).unwrap_or(1);
    per_second.div_ceil(cpus.max(1))
}

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(
        "make the maps: {}",
        "the kernel refused; this needs root, or CAP_BPF and CAP_NET_ADMIN, and no seccomp or LSM rule against bpf(2)"
    )]
    Forbidden { source: aya::EbpfError },
    #[error("make the maps")]
    Maps { source: aya::EbpfError },
    #[error("the kernel's verifier refuses the program `{program}`")]
    Refused { program: &'static str, source: ProgramError },
    #[error("map `{map}` into memory")]
    Memory { map: &'static str, source: std::io::Error },
    #[error("the object has no {what} `{name}`: daemon and object are of different versions")]
    Missing { what: &'static str, name: &'static str },
    #[error("open map `{map}`")]
    Open { map: &'static str, source: MapError },
}

/// Makes the maps and reads the programs in; loads no program yet.
///
/// # Errors
/// What the kernel said, with what would help.
pub(super) fn object(sizes: &Sizes, settings: &Settings) -> Result<Ebpf, LoadError> {
    EbpfLoader::new()
        .map_max_entries("LISTENERS_V4", sizes.listeners)
        .map_max_entries("LISTENERS_V6", sizes.listeners)
        .map_max_entries("RANGES", sizes.range_elements())
        .map_max_entries("RINGS", sizes.slots)
        .map_max_entries("TARGETS", sizes.targets + 1)
        .map_max_entries("FLOWS", sizes.flow_sets())
        .map_max_entries("SESSIONS", sizes.nat_flows)
        .map_max_entries("TRACKED", sizes.tracked_sets())
        .map_max_entries("TRACKED_BLOCKS", sizes.tracked_blocks())
        .map_max_entries("COUNTERS", counter_lines(sizes.targets))
        .override_global("SETTINGS", settings, true)
        .load(OBJECT)
        .map_err(map_error)
}

/// A map by its name, as the type that its elements have.
pub(super) fn open<T: TryFrom<Map, Error = MapError>>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<T, LoadError> {
    let map = ebpf.take_map(name).ok_or(LoadError::Missing { what: "map", name })?;
    T::try_from(map).map_err(|source| LoadError::Open { map: name, source })
}

/// An array by its name, in the daemon's own memory.
pub(super) fn open_mapped(
    ebpf: &mut Ebpf,
    name: &'static str,
    elements: u32,
    size: usize,
) -> Result<Mapped, LoadError> {
    let Some(Map::Array(map)) = ebpf.take_map(name) else {
        return Err(LoadError::Missing { what: "array", name });
    };
    Mapped::new(map, elements as usize, size).map_err(|source| LoadError::Memory { map: name, source })
}

pub(super) fn map_error(source: aya::EbpfError) -> LoadError {
    if forbidden(&source) { LoadError::Forbidden { source } } else { LoadError::Maps { source } }
}

/// Whether some cause in the chain is EPERM or EACCES.
fn forbidden(error: &aya::EbpfError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>() {
            return io.kind() == std::io::ErrorKind::PermissionDenied;
        }
        cause = error.source();
    }
    false
}

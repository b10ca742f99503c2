//! The maps in the kernel, and the program on its interfaces.

use std::{collections::BTreeMap, sync::Arc};

use aya::{
    Ebpf,
    maps::{HashMap, MapData, PerCpuArray, xdp::DevMapHash},
    programs::{
        Xdp,
        xdp::{XdpLinkId, XdpMode as AyaMode},
    },
};
use lb_common::{
    ids::TargetId,
    maps::{Device, DeviceKey, FlowSet, Mac, Session, Settings, Tally, Target},
    slot::Slot,
};
use zerocopy::{FromBytes as _, IntoBytes as _};

use super::{
    Dataplane, Have, WriteError,
    listeners::Listeners,
    load::{self, LoadError, Sizes, open, open_mapped},
    mapped::Mapped,
    sweep::NatTables,
    tracked::TrackedTable,
};
use crate::{config::checked::XdpMode, core::plan::Step};

/// The name of the edge program in the object.
const PROGRAM: &str = "edge";
/// `BPF_ANY`: make it or replace it.
const ANY: u64 = 0;

pub struct Kernel {
    ebpf: Ebpf,
    sizes: Sizes,
    listeners: Listeners,
    counters: PerCpuArray<MapData, Tally>,
    devices: HashMap<MapData, DeviceKey, Device>,
    egress: DevMapHash<MapData>,
    targets: Mapped,
    rings: Mapped,
    nat: Arc<NatTables>,
    tracked: Arc<TrackedTable>,
    links: BTreeMap<u32, XdpLinkId>,
}

/// An interface that the program is attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    /// `ifindex`.
    pub index: u32,
    pub mac: [u8; 6],
}

#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    #[error("attach to `{interface}` in {mode} mode: {}", advice(mode))]
    Refused { interface: String, mode: &'static str, source: aya::programs::ProgramError },
    #[error("the edge program is not there")]
    Missing,
    #[error(transparent)]
    Write(#[from] WriteError),
}

fn advice(mode: &str) -> &'static str {
    if mode == "driver" {
        "the driver may lack native XDP, the MTU may be too large for it, or another program is attached (`ip link show`); `--xdp-mode generic` works on every driver, slower"
    } else {
        "another program may be attached (`ip link show`)"
    }
}

impl Kernel {
    /// Makes the maps and loads the program; attaches nothing.
    ///
    /// # Errors
    /// What the kernel said, with what would help.
    pub fn load(sizes: Sizes, settings: &Settings) -> Result<Self, LoadError> {
        let mut ebpf = load::object(&sizes, settings)?;
        let flows = open_mapped(&mut ebpf, "FLOWS", sizes.flow_sets(), size_of::<FlowSet>())?;
        let sessions = open_mapped(&mut ebpf, "SESSIONS", sizes.nat_flows, size_of::<Session>())?;
        let tracked = open_mapped(&mut ebpf, "TRACKED", sizes.tracked_sets(), size_of::<FlowSet>())?;
        let blocks = open_mapped(&mut ebpf, "TRACKED_BLOCKS", sizes.tracked_blocks(), size_of::<u64>())?;
        let kernel = Self {
            nat: Arc::new(NatTables::new(flows, sessions, *settings)),
            tracked: Arc::new(TrackedTable::new(tracked, blocks, settings.tracked_idle)),
            listeners: Listeners::open(&mut ebpf, &sizes)?,
            counters: open(&mut ebpf, "COUNTERS")?,
            devices: open(&mut ebpf, "DEVICES")?,
            egress: open(&mut ebpf, "EGRESS")?,
            targets: open_mapped(&mut ebpf, "TARGETS", sizes.targets + 1, size_of::<Target>())?,
            rings: open_mapped(&mut ebpf, "RINGS", sizes.slots, size_of::<Slot>())?,
            sizes,
            links: BTreeMap::new(),
            ebpf,
        };
        kernel.verified()
    }

    fn verified(mut self) -> Result<Self, LoadError> {
        let program = self.program().ok_or(LoadError::Missing { what: "program", name: PROGRAM })?;
        program.load().map_err(|source| LoadError::Refused { program: PROGRAM, source })?;
        Ok(self)
    }

    /// The edge program; loaded once this exists.
    pub fn program(&mut self) -> Option<&mut Xdp> {
        self.ebpf.program_mut(PROGRAM)?.try_into().ok()
    }

    pub const fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// `nat`'s tables, to sweep beside the packets.
    pub fn nat(&self) -> Arc<NatTables> {
        Arc::clone(&self.nat)
    }

    /// The table of flows in slots that changed, likewise.
    pub fn tracked(&self) -> Arc<TrackedTable> {
        Arc::clone(&self.tracked)
    }

    /// From here on the interface's packets go through the program.
    ///
    /// # Errors
    /// What the driver said; never a silent fall to generic mode.
    pub fn attach(&mut self, interface: &Interface, mode: XdpMode) -> Result<(), AttachError> {
        let Interface { name: _, index, mac } = interface;
        self.devices
            .insert(DeviceKey { interface: *index }, Device { mac: Mac::new(*mac) }, ANY)
            .map_err(|source| WriteError::Kernel { map: "DEVICES", source })?;
        self.egress
            .insert(*index, *index, None, ANY)
            .map_err(|source| WriteError::Egress { interface: *index, source })?;
        let program = self.program().ok_or(AttachError::Missing)?;
        let link = attached(program, interface, mode)?;
        self.links.insert(*index, link);
        Ok(())
    }

    /// The first `lines` of the counters, each summed over all CPUs: a system call a line.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn counters(&self, lines: u32) -> Result<Vec<Tally>, WriteError> {
        (0..lines).map(|line| self.counter(line)).collect()
    }

    /// One line of [`Self::counters`].
    ///
    /// # Errors
    /// What the kernel said.
    pub fn counter(&self, line: u32) -> Result<Tally, WriteError> {
        let error = |source| WriteError::Kernel { map: "COUNTERS", source };
        Ok(sum(&self.counters.get(&line, 0).map_err(error)?))
    }

    fn put_target(&self, id: TargetId, target: &Target) {
        let words = <[u64; 8]>::read_from_bytes(target.as_bytes()).unwrap_or_default();
        let first = id.index() as usize * words.len();
        // The flags stand in the first word: stored last, they vouch for the rest.
        for (offset, word) in words.iter().enumerate().rev() {
            self.targets.store(first + offset, *word);
        }
    }
}

impl Dataplane for Kernel {
    fn apply(&mut self, step: &Step) -> Result<(), WriteError> {
        match step {
            Step::PutTarget { id, target } => self.put_target(*id, target),
            Step::PutSlots { slots } => {
                for (index, slot) in slots {
                    self.rings.store(*index as usize, slot.word());
                }
            }
            Step::PutListener { key, listener } => self.listeners.set(key, Some(listener))?,
            Step::RemoveListener { key } => self.listeners.set(key, None)?,
            Step::PutAddress { address, entry } => self.listeners.set_address(*address, Some(entry))?,
            Step::RemoveAddress { address } => self.listeners.set_address(*address, None)?,
            Step::RemoveTarget { id } => {
                let first = id.index() as usize * 8;
                (first..first + 8).for_each(|word| self.targets.store(word, 0));
            }
        }
        Ok(())
    }

    fn have(&self) -> Result<Have, WriteError> {
        let mut have = Have::default();
        self.listeners.read(&mut have)?;
        for id in (1..=self.sizes.targets).filter_map(TargetId::new) {
            let first = id.index() as usize * 8;
            let words: [u64; 8] = std::array::from_fn(|offset| self.targets.load(first + offset));
            if words != [0; 8]
                && let Ok(target) = Target::read_from_bytes(words.as_bytes())
            {
                have.targets.insert(id, target);
            }
        }
        have.slots =
            (0..self.sizes.slots as usize).map(|index| Slot::from_word(self.rings.load(index))).collect();
        Ok(have)
    }
}

/// Attaches a loaded program in exactly the mode that was asked for.
pub(super) fn attached(
    program: &mut Xdp,
    interface: &Interface,
    mode: XdpMode,
) -> Result<XdpLinkId, AttachError> {
    let (flag, word) = match mode {
        XdpMode::Driver => (AyaMode::Driver, "driver"),
        XdpMode::Generic => (AyaMode::Skb, "generic"),
    };
    program.attach_to_if_index(interface.index, flag).map_err(|source| AttachError::Refused {
        interface: interface.name.clone(),
        mode: word,
        source,
    })
}

pub(super) fn sum(cpus: &[Tally]) -> Tally {
    cpus.iter().fold(Tally { packets: 0, bytes: 0, new_flows: 0 }, |total, cpu| Tally {
        packets: total.packets + cpu.packets,
        bytes: total.bytes + cpu.bytes,
        new_flows: total.new_flows + cpu.new_flows,
    })
}

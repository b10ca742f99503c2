//! The program of a training node.

use aya::{
    Ebpf, EbpfLoader,
    maps::{LpmTrie, MapData, PerCpuArray, lpm_trie::Key},
    programs::Xdp,
};
use ipnet::IpNet;
use lb_common::{
    maps::{RESTRICTED, SourceV4, SourceV6, Tally, address_words},
    verdict::NodeVerdict,
    wire::Be32,
};

use super::{
    WriteError,
    kernel::{AttachError, Interface, attached, sum},
    load::{LoadError, map_error, open},
};
use crate::config::checked::XdpMode;

/// The node program and its maps, built from `lb-ebpf`.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/pointsman-node"));
const PROGRAM: &str = "node";

pub struct Node {
    ebpf: Ebpf,
    counters: PerCpuArray<MapData, Tally>,
}

impl Node {
    /// Loads the program that unwraps what comes from `sources`; from anywhere, if there are none. What is in
    /// UDP comes to `gue_port`.
    ///
    /// # Errors
    /// What the kernel said, with what would help.
    pub fn load(sources: &[IpNet], gue_port: u16) -> Result<Self, LoadError> {
        let restriction = if sources.is_empty() { 0 } else { RESTRICTED };
        let mut ebpf = EbpfLoader::new()
            .override_global("RESTRICTION", &restriction, true)
            .override_global("GUE_PORT", &gue_port, true)
            .load(OBJECT)
            .map_err(map_error)?;
        let mut v4: LpmTrie<MapData, SourceV4, u32> = open(&mut ebpf, "SOURCES_V4")?;
        let mut v6: LpmTrie<MapData, SourceV6, u32> = open(&mut ebpf, "SOURCES_V6")?;
        let counters = open(&mut ebpf, "NODE_COUNTERS")?;
        let program = program(&mut ebpf).ok_or(LoadError::Missing { what: "program", name: PROGRAM })?;
        program.load().map_err(|source| LoadError::Refused { program: PROGRAM, source })?;
        for source in sources {
            let length = u32::from(source.prefix_len());
            let (map, inserted) = match source {
                IpNet::V4(net) => {
                    let address = Be32::new(net.network().to_bits());
                    ("SOURCES_V4", v4.insert(&Key::new(length, SourceV4 { address }), 1, 0))
                }
                IpNet::V6(net) => {
                    let address = address_words(net.network().into());
                    ("SOURCES_V6", v6.insert(&Key::new(length, SourceV6 { address }), 1, 0))
                }
            };
            inserted.map_err(|source| LoadError::Open { map, source })?;
        }
        Ok(Self { ebpf, counters })
    }

    /// From here on the interface's packets go through the program, until `self` is dropped.
    ///
    /// # Errors
    /// What the driver said; never a silent fall to generic mode.
    pub fn attach(&mut self, interface: &Interface, mode: XdpMode) -> Result<(), AttachError> {
        let program = program(&mut self.ebpf).ok_or(AttachError::Missing)?;
        attached(program, interface, mode).map(|_| ())
    }

    /// The node program; loaded once this exists.
    pub fn program(&mut self) -> Option<&mut Xdp> {
        program(&mut self.ebpf)
    }

    /// Each verdict's counter, summed over all CPUs.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn counters(&self) -> Result<Vec<(NodeVerdict, Tally)>, WriteError> {
        let error = |source| WriteError::Kernel { map: "NODE_COUNTERS", source };
        let counted = |verdict: &NodeVerdict| {
            let cpus = self.counters.get(&verdict.line(), 0).map_err(error)?;
            Ok((*verdict, sum(&cpus)))
        };
        NodeVerdict::ALL.iter().map(counted).collect()
    }
}

fn program(ebpf: &mut Ebpf) -> Option<&mut Xdp> {
    ebpf.program_mut(PROGRAM)?.try_into().ok()
}

//! The listeners' maps: one for each family, `NEAR` before both, and `RANGES` behind.

use std::net::IpAddr;

use aya::{
    Ebpf,
    maps::{HashMap, MapData, MapError},
};
use lb_common::{
    maps::{KIND_ADDRESS, KIND_RANGES, Listener, ListenerKeyV4, ListenerKeyV6, NEAR, Near, address_words},
    parse::{TCP, UDP},
    ranges::PortRanges,
    wire::{Be16, Be32},
};
use zerocopy::{FromBytes as _, IntoBytes as _};

use super::{
    Have, WriteError,
    load::{LoadError, Sizes, open, open_mapped},
    near::NearMap,
    ranges::RangeMap,
};
use crate::{
    config::checked::{Ports, Protocol},
    core::plan::ListenerKey,
};

/// `BPF_ANY`: make it or replace it.
const ANY: u64 = 0;

pub(super) struct Listeners {
    v4: HashMap<MapData, ListenerKeyV4, Listener>,
    v6: HashMap<MapData, ListenerKeyV6, Listener>,
    near: NearMap,
    ranges: RangeMap,
    /// Of each family.
    capacity: u32,
}

impl Listeners {
    pub(super) fn open(ebpf: &mut Ebpf, sizes: &Sizes) -> Result<Self, LoadError> {
        Ok(Self {
            v4: open(ebpf, "LISTENERS_V4")?,
            v6: open(ebpf, "LISTENERS_V6")?,
            near: NearMap::new(open_mapped(ebpf, "NEAR", NEAR, size_of::<Near>())?),
            ranges: RangeMap::new(open_mapped(
                ebpf,
                "RANGES",
                sizes.range_elements(),
                size_of::<PortRanges>(),
            )?),
            capacity: sizes.listeners,
        })
    }

    /// Makes a listener, changes it, or takes it away.
    pub(super) fn set(&mut self, key: &ListenerKey, listener: Option<&Listener>) -> Result<(), WriteError> {
        let port = match key.ports {
            Ports::One(port) => port,
            Ports::Range { .. } | Ports::Every => {
                let draft = self.ranges.draft(key, listener)?;
                self.set_entry(&map_key(key, 0), draft.entry.as_ref())?;
                self.ranges.settle(draft);
                return Ok(());
            }
        };
        self.set_entry(&map_key(key, port), listener)
    }

    /// The same of an address as such.
    pub(super) fn set_address(
        &mut self,
        address: IpAddr,
        entry: Option<&Listener>,
    ) -> Result<(), WriteError> {
        self.set_entry(&key_of(address, 0, 0), entry)
    }

    /// Reads back all that stand.
    pub(super) fn read(&self, have: &mut Have) -> Result<(), WriteError> {
        for entry in self.v4.iter() {
            let (key, listener) =
                entry.map_err(|source| WriteError::Kernel { map: "LISTENERS_V4", source })?;
            let address = IpAddr::from(key.address.get().to_be_bytes());
            self.read_entry(have, address, key.port, key.protocol, listener);
        }
        for entry in self.v6.iter() {
            let (key, listener) =
                entry.map_err(|source| WriteError::Kernel { map: "LISTENERS_V6", source })?;
            let address =
                IpAddr::from(<[u8; 16]>::read_from_bytes(key.address.as_bytes()).unwrap_or_default());
            self.read_entry(have, address, key.port, key.protocol, listener);
        }
        Ok(())
    }

    /// What an entry stands for.
    fn read_entry(&self, have: &mut Have, address: IpAddr, port: Be16, protocol: u8, entry: Listener) {
        let protocol = if protocol == UDP { Protocol::Udp } else { Protocol::Tcp };
        let listeners = match entry.kind {
            KIND_ADDRESS => {
                have.addresses.insert(address, entry);
                return;
            }
            KIND_RANGES => self.ranges.read(entry.ring),
            _ => vec![(Ports::from(port.get()), entry)],
        };
        let keyed = |(ports, listener)| (ListenerKey { address, ports, protocol }, listener);
        have.listeners.extend(listeners.into_iter().map(keyed));
    }

    fn set_entry(&mut self, key: &MapKey, listener: Option<&Listener>) -> Result<(), WriteError> {
        match listener {
            Some(listener) => self.put(key, listener),
            None => self.remove(key),
        }
    }

    fn put(&mut self, key: &MapKey, listener: &Listener) -> Result<(), WriteError> {
        let capacity = self.capacity;
        let full = |map| move |source| full(map, capacity, source);
        let (words, put) = match key {
            MapKey::V4(key) => {
                (key.words(), self.v4.insert(key, listener, ANY).map_err(full("LISTENERS_V4")))
            }
            MapKey::V6(key) => {
                (key.words(), self.v6.insert(key, listener, ANY).map_err(full("LISTENERS_V6")))
            }
        };
        put?;
        self.near.put(words, *listener);
        Ok(())
    }

    fn remove(&mut self, key: &MapKey) -> Result<(), WriteError> {
        let (map, removed) = match key {
            MapKey::V4(key) => {
                self.near.remove(key.words());
                ("LISTENERS_V4", self.v4.remove(key))
            }
            MapKey::V6(key) => {
                self.near.remove(key.words());
                ("LISTENERS_V6", self.v6.remove(key))
            }
        };
        match removed {
            // What is gone already is as it should be.
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(source) => Err(WriteError::Kernel { map, source }),
        }
    }
}

enum MapKey {
    V4(ListenerKeyV4),
    V6(ListenerKeyV6),
}

fn map_key(key: &ListenerKey, port: u16) -> MapKey {
    let protocol = match key.protocol {
        Protocol::Tcp => TCP,
        Protocol::Udp => UDP,
    };
    key_of(key.address, port, protocol)
}

fn key_of(address: IpAddr, port: u16, protocol: u8) -> MapKey {
    let port = Be16::new(port);
    match address {
        IpAddr::V4(address) => {
            MapKey::V4(ListenerKeyV4 { address: Be32::new(address.to_bits()), port, protocol, reserved: 0 })
        }
        IpAddr::V6(_) => MapKey::V6(ListenerKeyV6 {
            address: address_words(address),
            port,
            protocol,
            reserved: 0,
            reserved_too: 0,
        }),
    }
}

fn full(map: &'static str, capacity: u32, source: MapError) -> WriteError {
    if let MapError::SyscallError(error) = &source
        && error.io_error.raw_os_error() == Some(nix::libc::E2BIG)
    {
        return WriteError::Full { map, capacity };
    }
    WriteError::Kernel { map, source }
}

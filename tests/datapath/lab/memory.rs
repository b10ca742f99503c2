//! `nat`'s tables, which a test ages instead of waiting.

use aya::maps::{Array, Map, MapData};
use lb_common::{
    flow::{FlowWord, Tick},
    maps::{FlowSet, Session},
};
use nix::time::{ClockId, clock_gettime};

use super::{Lab, SIZES};

/// The clock that the program reads.
pub(crate) fn now() -> Tick {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).expect("the kernel has the clock");
    let seconds = u64::try_from(now.tv_sec()).expect("since boot");
    Tick::from_nanoseconds(seconds * 1_000_000_000 + u64::try_from(now.tv_nsec()).expect("of a second"))
}

impl Lab {
    /// Makes all that `nat` remembers `ticks` older: as if that long had passed without a packet.
    pub(crate) fn age(&mut self, ticks: u32) {
        let mut flows: Array<_, FlowSet> = self.table("FLOWS");
        for index in 0..SIZES.flow_sets() {
            let mut set = flows.get(&index, 0).expect("in the map");
            if set.flows.iter().any(|flow| flow.word != 0) {
                set.flows.iter_mut().for_each(|flow| flow.word = older(flow.word, ticks));
                flows.set(index, set, 0).expect("in the map");
            }
        }
        let mut sessions: Array<_, Session> = self.table("SESSIONS");
        for index in 0..SIZES.nat_flows {
            let mut session = sessions.get(&index, 0).expect("in the map");
            if session.word != 0 {
                session.word = older(session.word, ticks);
                sessions.set(index, session, 0).expect("in the map");
            }
        }
    }

    /// As the daemon does it from time to time; how many flows live.
    pub(crate) fn sweep(&mut self) -> u64 {
        let tables = self.kernel.nat();
        tables.sweep().expect("the kernel has the clock");
        tables.live()
    }

    /// A map of the program, found as `bpftool` would find it.
    pub(crate) fn table<T: aya::Pod>(&mut self, name: &str) -> Array<MapData, T> {
        let program = self.kernel.program().expect("the edge program");
        let ids = program.info().expect("the program's info").map_ids().expect("its maps").expect("its maps");
        let maps = ids.into_iter().map(|id| MapData::from_id(id).expect("a map that is there"));
        let mut named = maps.filter(|map| map.info().expect("the map's info").name_as_str() == Some(name));
        let map = named.next().expect("the program has a map of this name");
        Map::Array(map).try_into().expect("an array")
    }
}

fn older(word: u64, ticks: u32) -> u64 {
    if word == FlowWord::FREE.word() {
        return word;
    }
    let flow = FlowWord::from_word(word);
    let seen = Tick::new(flow.seen().get().wrapping_sub(ticks));
    flow.touched(seen, flow.state()).word()
}

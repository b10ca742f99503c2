//! The tables of flows, which a test ages instead of waiting.

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
    /// Makes all that is remembered of flows `ticks` older: as if that long had passed without a packet.
    pub(crate) fn age(&mut self, ticks: u32) {
        self.age_sets("FLOWS", SIZES.flow_sets(), ticks);
        self.age_sets("TRACKED", SIZES.tracked_sets(), ticks);
        let mut sessions: Array<_, Session> = self.table("SESSIONS");
        for index in 0..SIZES.nat_flows {
            let mut session = sessions.get(&index, 0).expect("in the map");
            if session.word != 0 {
                session.word = older(session.word, ticks);
                sessions.set(index, session, 0).expect("in the map");
            }
        }
    }

    fn age_sets(&mut self, name: &str, sets: u32, ticks: u32) {
        let mut table: Array<_, FlowSet> = self.table(name);
        for index in 0..sets {
            let mut set = table.get(&index, 0).expect("in the map");
            if set.flows.iter().any(|flow| flow.word != 0) {
                set.flows.iter_mut().for_each(|flow| flow.word = older(flow.word, ticks));
                table.set(index, set, 0).expect("in the map");
            }
        }
    }

    /// Entries of `TRACKED` that were ever written.
    pub(crate) fn tracked_entries(&mut self) -> usize {
        let table: Array<_, FlowSet> = self.table("TRACKED");
        let sets = (0..SIZES.tracked_sets()).map(|index| table.get(&index, 0).expect("in the map"));
        sets.map(|set| set.flows.iter().filter(|flow| flow.word != 0).count()).sum()
    }

    /// As the daemon does it every few seconds: whose flows live, of which slots' marks.
    pub(crate) fn tracked(&mut self) -> Vec<(u32, u16)> {
        let living = self.kernel.tracked().sweep().expect("the kernel has the clock");
        living.into_iter().map(|(id, mark)| (id.index(), mark)).collect()
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

//! The bench's own object: wrappers and floors, and how a run of them goes.

use anyhow::{Context as _, Result, ensure};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, MapData, ProgramArray},
    programs::{ProgramFd, TestRun as _, TestRunOptions, Xdp},
};
use lb_common::bench::{Course, FRAME, Progress, TURNS, WINDOWS, WORDS};
use lb_common::wire::Be32;

use crate::{
    rows::{Family, Mode},
    scene,
};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/pointsman-bench"));

/// Odd, and near the golden ratio: successive multiples, modulo 2^32, lie far apart and miss nothing.
const STRIDE: u32 = 0x9e37_79b1;
const ANY: u64 = 0;

pub(crate) struct Wrapper {
    ebpf: Ebpf,
    programs: ProgramArray<MapData>,
    course: Array<MapData, Course>,
    progress: Array<MapData, Progress>,
    times: Array<MapData, u64>,
}

/// What a run drives through the programs.
pub(crate) struct Drive<'a> {
    /// The wrapper program.
    pub(crate) by: &'static str,
    pub(crate) frame: [u8; FRAME],
    /// The first client: IPv4's address, or the last word of IPv6's.
    pub(crate) client: u32,
    pub(crate) flows: u32,
    /// The programs that take turns.
    pub(crate) programs: &'a [ProgramFd],
    /// Whether the wrapper has a turn without any program, before the others.
    pub(crate) calibrated: bool,
    /// A window is 2 to this power packets long.
    pub(crate) window_bits: u32,
    /// In all; one more than a multiple of a window's says when the last window ended.
    pub(crate) packets: u32,
}

impl Wrapper {
    /// # Errors
    /// What the kernel said.
    pub(crate) fn load(peers: u32) -> Result<Self> {
        let [v4, v6] = Family::BOTH.map(|family| scene::target(Mode::Ipip, family, 1));
        let mut ebpf = EbpfLoader::new()
            .map_max_entries("PEERS", peers)
            .override_global("FLOOR_V4", &v4, true)
            .override_global("FLOOR_V6", &v6, true)
            .load(OBJECT)
            .context("make the bench's maps")?;
        for (name, program) in ebpf.programs_mut() {
            let program = <&mut Xdp>::try_from(program)?;
            program.load().with_context(|| format!("load the bench's program `{name}`"))?;
        }
        Ok(Self {
            programs: take(&mut ebpf, "PROGRAMS")?.try_into()?,
            course: take(&mut ebpf, "COURSE")?.try_into()?,
            progress: take(&mut ebpf, "PROGRESS")?.try_into()?,
            times: take(&mut ebpf, "TIMES")?.try_into()?,
            ebpf,
        })
    }

    /// One of the object's programs, to take turns.
    ///
    /// # Errors
    /// If there is none of this name.
    pub(crate) fn program(&self, name: &str) -> Result<ProgramFd> {
        Ok(self.xdp(name)?.fd()?.try_clone()?)
    }

    /// Gives how long each window took, in nanoseconds.
    ///
    /// # Errors
    /// What the kernel said.
    pub(crate) fn run(&mut self, drive: &Drive<'_>) -> Result<Vec<u64>> {
        let last_turn = u32::try_from(drive.programs.len())?;
        let windows = (drive.packets - 1) >> drive.window_bits;
        ensure!(last_turn < TURNS && windows < WINDOWS, "there is no room for so many");
        for (turn, program) in (1..).zip(drive.programs) {
            self.programs.set(turn, program, ANY)?;
        }
        let (words, _) = drive.frame.as_chunks::<8>();
        let (words, _) = words.as_chunks::<WORDS>();
        let words = words.first().context("a frame is longer than its headers")?;
        let course = Course {
            frame: words.map(u64::from_ne_bytes),
            flows: drive.flows,
            stride: STRIDE,
            window_mask: (1 << drive.window_bits) - 1,
            first_turn: u64::from(!drive.calibrated),
            last_turn: last_turn.into(),
            client: Be32::new(drive.client),
            reserved: 0,
        };
        self.course.set(0, course, ANY)?;
        // The first packet passes the turn on, to the first one.
        let progress = Progress { packet: 0, window: 0, turn: last_turn.into(), fence: 0, reserved: [0; 4] };
        self.progress.set(0, progress, ANY)?;
        let mut out = [0; 4 * FRAME];
        self.xdp(drive.by)?.test_run(TestRunOptions {
            data_in: Some(&drive.frame),
            data_out: Some(&mut out),
            repeat: drive.packets,
            ..TestRunOptions::default()
        })?;
        let done = self.progress.get(&0, 0)?.packet;
        ensure!(done == u64::from(drive.packets), "`{}` drove {done} of {} packets", drive.by, drive.packets);
        let times = (0..=windows).map(|window| Ok(self.times.get(&window, 0)?));
        let times = times.collect::<Result<Vec<_>>>()?;
        Ok(times.iter().zip(times.iter().skip(1)).map(|(from, to)| to - from).collect())
    }

    fn xdp(&self, name: &str) -> Result<&Xdp> {
        let program = self.ebpf.program(name).with_context(|| format!("the object has no `{name}`"))?;
        Ok(program.try_into()?)
    }
}

fn take(ebpf: &mut Ebpf, name: &str) -> Result<aya::maps::Map> {
    ebpf.take_map(name).with_context(|| format!("the object has no map `{name}`"))
}

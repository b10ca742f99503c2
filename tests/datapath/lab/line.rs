//! Lines of the counters, by what they count.

use std::collections::BTreeMap;

use lb_common::{
    maps::Tally,
    verdict::{Note, Verdict},
};

/// What a line counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Line {
    Verdict(Verdict),
    Note(Note),
    ToTarget(u32),
    FromTarget(u32),
}

impl From<Note> for Line {
    fn from(note: Note) -> Self {
        Self::Note(note)
    }
}

impl From<Verdict> for Line {
    fn from(verdict: Verdict) -> Self {
        Self::Verdict(verdict)
    }
}

pub(crate) const fn to_target(id: u32) -> Line {
    Line::ToTarget(id)
}

pub(crate) const fn from_target(id: u32) -> Line {
    Line::FromTarget(id)
}

impl Line {
    /// The verdicts first, in their order, then the notes, then two lines for each target, from target 0 on.
    fn from_index(index: usize) -> Self {
        let Some(beyond) = index.checked_sub(Verdict::ALL.len()) else {
            return Self::Verdict(Verdict::ALL[index]);
        };
        let Some(beyond) = beyond.checked_sub(Note::ALL.len()) else {
            return Self::Note(Note::ALL[beyond]);
        };
        let id = u32::try_from(beyond / 2).expect("a small map");
        if beyond.is_multiple_of(2) { Self::ToTarget(id) } else { Self::FromTarget(id) }
    }
}

/// The lines that moved, and by how much.
pub(super) fn moved(before: &[Tally], after: &[Tally]) -> BTreeMap<Line, Tally> {
    let moved = before.iter().zip(after).enumerate().filter(|(_, (before, after))| before != after);
    let by = |before: &Tally, after: &Tally| Tally {
        packets: after.packets - before.packets,
        bytes: after.bytes - before.bytes,
        new_flows: after.new_flows - before.new_flows,
    };
    moved.map(|(index, (before, after))| (Line::from_index(index), by(before, after))).collect()
}

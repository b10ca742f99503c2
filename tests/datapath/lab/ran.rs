//! What became of one packet, and claims about all of it.

use std::{collections::BTreeMap, fmt::Write as _};

use lb_common::{maps::Tally, verdict::Note};

use super::Line;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Drop,
    Pass,
    Tx,
    Redirect,
}

impl Action {
    pub(super) fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Drop,
            2 => Self::Pass,
            3 => Self::Tx,
            4 => Self::Redirect,
            _ => panic!("`edge` returned {number}, which it never should"),
        }
    }
}

/// One packet's ending. Say what was expected of its bytes, then of the counters.
#[derive(Debug)]
#[must_use = "say what was expected"]
pub(crate) struct Ran {
    pub(crate) input: Vec<u8>,
    pub(crate) output: Vec<u8>,
    pub(crate) action: Action,
    pub(crate) moved: BTreeMap<Line, Tally>,
}

impl Ran {
    /// Sent out of the interface that it came in by, as exactly these bytes.
    #[track_caller]
    pub(crate) fn sends(self, expected: &[u8]) -> Counted {
        self.ended(Action::Tx, Some(expected))
    }

    /// Sent out of another interface, as exactly these bytes.
    #[track_caller]
    pub(crate) fn redirects(self, expected: &[u8]) -> Counted {
        self.ended(Action::Redirect, Some(expected))
    }

    /// Left to the host, every byte as it came.
    #[track_caller]
    pub(crate) fn passes(self) -> Counted {
        let input = self.input.clone();
        self.ended(Action::Pass, Some(&input))
    }

    #[track_caller]
    pub(crate) fn drops(self) -> Counted {
        self.ended(Action::Drop, None)
    }

    /// The number of 16 bits at `at` in what came out.
    pub(crate) fn number(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.output[at], self.output[at + 1]])
    }

    #[track_caller]
    fn ended(self, action: Action, expected: Option<&[u8]>) -> Counted {
        assert_eq!(self.action, action, "the action; counted: {:?}\nin: {}", self.moved, hex(&self.input));
        if let Some(expected) = expected {
            let first = self.output.iter().zip(expected).position(|(is, expected)| is != expected);
            assert!(
                self.output == expected,
                "the bytes differ, first at {}\n is: {}\nnot: {}",
                first.unwrap_or_else(|| expected.len().min(self.output.len())),
                hex(&self.output),
                hex(expected)
            );
        }
        Counted { bytes: self.input.len() as u64, moved: self.moved }
    }
}

#[must_use = "say what was counted"]
pub(crate) struct Counted {
    bytes: u64,
    moved: BTreeMap<Line, Tally>,
}

impl Counted {
    /// This was noted of the packet, beside its ending.
    #[track_caller]
    pub(crate) fn noting(mut self, note: Note) -> Self {
        let tally = self.moved.remove(&note.into());
        assert_eq!(tally, Some(Tally { packets: 1, bytes: 0, new_flows: 0 }), "noted: {note:?}");
        self
    }

    /// One packet more of the frame's bytes on this line, and nothing on any other.
    #[track_caller]
    pub(crate) fn counted(self, line: impl Into<Line>) {
        self.only(line.into(), 0);
    }

    /// The same, and one new flow.
    #[track_caller]
    pub(crate) fn opened(self, line: impl Into<Line>) {
        self.only(line.into(), 1);
    }

    #[track_caller]
    fn only(self, line: Line, new_flows: u64) {
        let tally = Tally { packets: 1, bytes: self.bytes, new_flows };
        assert_eq!(self.moved, BTreeMap::from([(line, tally)]), "the counters that moved");
    }
}

/// Bytes as hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

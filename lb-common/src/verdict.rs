//! How the processing of one packet ended. Each ending has one counter and one action.

/// Declares the verdicts with their names, so that a new one cannot be forgotten in a table.
macro_rules! verdicts {
    ($(#[$doc:meta])* pub enum $type:ident { $($(#[doc = $text:literal])+ $variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $type { $($(#[doc = $text])+ $variant,)+ }

        impl $type {
            /// In the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            #[expect(clippy::cast_possible_truncation, reason = "a handful")]
            pub const COUNT: u32 = Self::ALL.len() as u32;

            /// As metrics, the API and the docs spell it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// One sentence for the operator.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($text,)+).trim_ascii(),)+ }
            }

            /// Its place among its kind; a verdict's line in `COUNTERS`.
            #[inline(always)]
            pub const fn line(self) -> u32 {
                self as u32
            }
        }
    };
}

verdicts! {
    /// The endings of a packet on an edge node, but for the good one: a packet that goes to a target, or
    /// back from one, is counted under the target ([`target_line`]), and their sum is `forwarded`.
    pub enum Verdict {
        /// Neither IPv4 nor IPv6, or more than two VLAN tags: the host's.
        NotIp = "not-ip",
        /// No listener has this address, port and protocol: the host's, untouched.
        NotOurs = "not-ours",
        /// A fragment: passed to the host.
        Fragment = "fragment",
        /// ICMP or ICMPv6: passed to the host.
        Icmp = "icmp",
        /// Neither TCP, UDP nor ICMP: passed to the host.
        OtherProtocol = "other-protocol",
        /// More IPv6 extension headers than are walked: passed to the host.
        ExtensionHeaders = "extension-headers",
        /// The frame ends before its headers say: dropped.
        Truncated = "truncated",
        /// An IP header that contradicts itself: dropped.
        BadHeader = "bad-header",
        /// The hop limit is used up: dropped.
        HopLimit = "hop-limit",
        /// The listener's ring is empty: dropped.
        NoTarget = "no-target",
        /// Opens a connection in a slot that has just left a drained target, with no room to record it. The
        /// client will send it again: dropped.
        NotTracked = "not-tracked",
        /// The next hop towards the target is not known (yet): dropped.
        NextHopUnresolved = "next-hop-unresolved",
        /// With its outer header the packet exceeds the path's MTU, and its sender was told by ICMP: sent back.
        TooBigAnswered = "too-big-answered",
        /// With its outer header the packet exceeds the path's MTU, and no answer is due, or too many were sent:
        /// dropped.
        TooBig = "too-big",
        /// It exceeds the path's MTU, and its sender wants it in fragments, which this program makes none of:
        /// dropped.
        NeedsFragmenting = "needs-fragmenting",
        /// The driver left no room for the outer header: dropped.
        NoHeadroom = "no-headroom",
        /// `nat`: the flow table has no place for a new flow: dropped.
        NatTableFull = "nat-table-full",
        /// `nat`: every port that was tried is in use: dropped.
        NatPortsExhausted = "nat-ports-exhausted",
        /// `nat`: to the range of ports, but of no flow that lives: passed to the host, which refuses it.
        NatNoFlow = "nat-no-flow",
        /// What the daemon wrote makes no sense to this program: dropped.
        BadMap = "bad-map",
    }
}

verdicts! {
    /// What happened on a packet's way beside its ending, on an edge node. A packet may have any number of
    /// these; each has a line of its own behind the verdicts' ([`note_line`]).
    pub enum Note {
        /// Its flow was recorded, as its slot changed a short while ago.
        Tracked = "tracked",
        /// Its flow should have been recorded, but the table is full: it goes where its slot says.
        TrackingFull = "tracking-full",
        /// Its flow should have been recorded, but more flows than `tracking.new_flows_per_second` were: it
        /// goes where its slot says.
        TrackingLimited = "tracking-limited",
    }
}

verdicts! {
    /// The endings of a packet on a training node.
    pub enum NodeVerdict {
        /// Unwrapped, and handed up to the host.
        Unwrapped = "unwrapped",
        /// Not encapsulated: the host's, untouched.
        NotEncapsulated = "not-encapsulated",
        /// Encapsulated by a source that is not allowed: dropped.
        SourceDenied = "source-denied",
        /// The frame ends before its headers say: dropped.
        Truncated = "truncated",
        /// An IP header that contradicts itself: dropped.
        BadHeader = "bad-header",
        /// Congestion was marked on the outer header, of a packet whose ends know no ECN: dropped, as RFC
        /// 6040 section 4.2 has it.
        CongestionMarked = "congestion-marked",
        /// The kernel would not take the outer header away: dropped.
        NoRoom = "no-room",
    }
}

/// Index of a note's line in `COUNTERS`.
#[inline(always)]
pub const fn note_line(note: Note) -> u32 {
    Verdict::COUNT + note.line()
}

/// Index of a target's line in `COUNTERS` for packets towards it, and for `nat` replies from it.
#[inline(always)]
pub const fn target_line(target: crate::ids::TargetId, direction: Direction) -> u32 {
    Verdict::COUNT + Note::COUNT + 2 * target.index() + direction as u32
}

/// Lines of `COUNTERS` that serve `targets` targets, ids 0 to `targets` included.
pub const fn counter_lines(targets: u32) -> u32 {
    Verdict::COUNT + Note::COUNT + 2 * (targets + 1)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Direction {
    ToTarget = 0,
    FromTarget = 1,
}

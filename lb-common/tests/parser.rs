//! The parser on any bytes: it never panics, and what it finds lies inside.
#![cfg(test)]

use lb_common::{
    parse::{Family, Link, Packet, TCP, UDP, V4, V6},
    verdict::Verdict,
};
use proptest::prelude::*;

/// As the edge program goes through a frame.
#[derive(Debug, PartialEq, Eq)]
enum Parsed {
    V4(Packet<V4>),
    V6(Packet<V6>),
    Refused(Verdict),
}

fn parse(frame: &[u8]) -> Parsed {
    let refused = Parsed::Refused;
    match Link::parse(frame) {
        Ok(link) if link.ethertype == V4::ETHERTYPE => {
            V4::parse(frame, link.network).map_or_else(refused, Parsed::V4)
        }
        Ok(link) if link.ethertype == V6::ETHERTYPE => {
            V6::parse(frame, link.network).map_or_else(refused, Parsed::V6)
        }
        Ok(_) => refused(Verdict::NotIp),
        Err(verdict) => refused(verdict),
    }
}

/// What must hold of every packet that is found; gives where it ends.
fn assert_inside<F: Family>(frame: &[u8], packet: &Packet<F>) -> usize {
    let header = match packet.protocol {
        TCP => 20,
        UDP => 8,
        other => panic!("protocol {other} cannot be steered"),
    };
    let end = packet.network() + usize::try_from(packet.length).expect("a length");
    assert!([14, 18, 22].contains(&packet.network()), "an IP header behind at most two tags");
    assert!(packet.transport() >= packet.network() + F::HEADER, "the headers do not overlap");
    assert!(packet.transport() + header <= end, "the transport header lies in the packet");
    assert!(end <= frame.len(), "the packet lies in the frame");
    let ports = &frame[packet.transport()..packet.transport() + 4];
    assert_eq!(packet.ports.to_ne_bytes(), ports, "the ports, as they are in memory");
    assert_eq!(packet.source_port().get().to_be_bytes(), ports[..2], "the source port");
    assert_eq!(packet.destination_port().get().to_be_bytes(), ports[2..], "the destination port");
    let flags = if packet.protocol == TCP { frame[packet.transport() + 13] } else { 0 };
    assert_eq!(packet.tcp_flags, flags, "the flags");
    assert_eq!(
        Packet::from_words(frame, packet.words()),
        Some(*packet),
        "the packet, handed on and read again"
    );
    let early = &frame[..packet.network() + F::ADDRESSES];
    assert_eq!(Packet::<F>::from_words(early, packet.words()), None, "not from another frame");
    end
}

fn assert_sound(frame: &[u8]) -> Option<usize> {
    match parse(frame) {
        Parsed::V4(packet) => Some(assert_inside(frame, &packet)),
        Parsed::V6(packet) => Some(assert_inside(frame, &packet)),
        // What only the maps can say is never the parser's to say.
        Parsed::Refused(verdict) => {
            use Verdict::{BadHeader, ExtensionHeaders, Fragment, Icmp, NotIp, OtherProtocol, Truncated};
            let own = [NotIp, Fragment, Icmp, OtherProtocol, ExtensionHeaders, Truncated, BadHeader]
                .contains(&verdict);
            assert!(own, "`{}` is not for the parser to say", verdict.name());
            None
        }
    }
}

/// Frames that come far: every field that leads on is often right.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let tags = prop::collection::vec((prop_oneof![Just(0x8100_u16), Just(0x88a8)], any::<u16>()), 0..4);
    let rest = prop::collection::vec(any::<u8>(), 0..300);
    let protocol = prop_oneof![
        6 => Just(TCP), 6 => Just(UDP), 1 => Just(0_u8), 1 => Just(43), 1 => Just(60), 1 => Just(44), 1 => any::<u8>(),
    ];
    (tags, rest, protocol, any::<bool>(), 0..16_u8, any::<u16>(), prop::bool::weighted(0.2)).prop_map(
        |(tags, mut rest, protocol, v4, words, length, lies)| {
            let mut frame = vec![2; 12];
            for (kind, control) in tags {
                frame.extend(kind.to_be_bytes());
                frame.extend(control.to_be_bytes());
            }
            frame.extend(if v4 { 0x0800_u16 } else { 0x86dd }.to_be_bytes());
            let whole = u16::try_from(rest.len()).expect("a short frame");
            let set = |rest: &mut [u8], at: usize, bytes: &[u8]| {
                rest.iter_mut().skip(at).zip(bytes).for_each(|(place, byte)| *place = *byte);
            };
            if v4 {
                let length = if lies { length } else { whole };
                set(&mut rest, 0, &[0x40 | words.max(5)]);
                set(&mut rest, 2, &length.to_be_bytes());
                set(&mut rest, 6, &[0, 0]);
                set(&mut rest, 9, &[protocol]);
            } else {
                let length = if lies { length } else { whole.saturating_sub(40) };
                set(&mut rest, 0, &[0x60]);
                set(&mut rest, 4, &length.to_be_bytes());
                set(&mut rest, 6, &[protocol]);
                // Up to seven extension headers, one more than are walked.
                let chain = usize::from(words / 2);
                if chain > 0 {
                    set(&mut rest, 6, &[60]);
                }
                for at in 0..chain {
                    set(&mut rest, 40 + 8 * at, &[if at + 1 < chain { 60 } else { protocol }, 0]);
                }
            }
            frame.extend(rest);
            frame
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_have_some_sound_ending(bytes: Vec<u8>) {
        assert_sound(&bytes);
    }

    #[test]
    fn likely_frames_have_some_sound_ending(frame in frame()) {
        assert_sound(&frame);
    }

    /// The kernel's own test runs begin at 14 bytes; a frame may still be shorter.
    #[test]
    fn a_frame_cut_before_its_packets_end_is_truncated(frame in frame(), cut: prop::sample::Index) {
        if let Some(end) = assert_sound(&frame) {
            prop_assert_eq!(parse(&frame[..cut.index(end)]), Parsed::Refused(Verdict::Truncated));
        }
    }

    #[test]
    fn what_stands_behind_the_packet_changes_nothing(frame in frame(), behind: Vec<u8>) {
        if assert_sound(&frame).is_some() {
            prop_assert_eq!(parse(&[frame.as_slice(), &behind].concat()), parse(&frame));
        }
    }
}

/// The generator is no use if what it makes is refused at the door.
#[test]
fn many_of_the_likely_frames_are_packets() {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let frame = frame();
    let whole = (0..1000).filter(|_| {
        let made = frame.new_tree(&mut runner).expect("a frame").current();
        assert_sound(&made).is_some()
    });
    let packets = whole.count();
    assert!(packets > 150, "{packets} of 1000 frames are packets");
}

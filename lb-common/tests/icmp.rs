//! ICMP on any bytes: nothing panics, and what is said of a packet is true and sums up.
#![cfg(test)]

use lb_common::{
    icmp::{TooBig, too_big},
    parse::{Family as _, V4, V6},
    verdict::Verdict,
};
use proptest::prelude::*;
use zerocopy::IntoBytes as _;

/// RFC 1071: words in network byte order, carries added in.
fn sum(bytes: &[u8]) -> u16 {
    let sum = bytes
        .chunks(2)
        .fold(0_u64, |sum, pair| sum + (u64::from(pair[0]) << 8) + u64::from(*pair.get(1).unwrap_or(&0)));
    let sum = (0..4).fold(sum, |sum, _| (sum & 0xffff) + (sum >> 16));
    u16::try_from(sum).expect("folded")
}

/// Frames whose IP header is often a client's.
fn frame() -> impl Strategy<Value = (bool, Vec<u8>)> {
    let start = (any::<bool>(), any::<u8>(), prop_oneof![Just(0x4000_u16), any::<u16>()]);
    let protocol = prop_oneof![Just(6_u8), Just(17), Just(0), Just(44), Just(58), Just(1), any::<u8>()];
    (start, protocol, prop::collection::vec(any::<u8>(), 0..1500), prop::bool::weighted(0.8)).prop_map(
        |((v4, mac, fragment), protocol, mut packet, honest)| {
            let length = u16::try_from(packet.len()).expect("a short packet");
            let mut set = |at: usize, bytes: &[u8]| {
                packet.iter_mut().skip(at).zip(bytes).for_each(|(place, byte)| *place = *byte);
            };
            if v4 {
                set(0, &[0x45]);
                set(6, &fragment.to_be_bytes());
                set(9, &[protocol]);
            } else {
                set(0, &[0x60]);
                set(6, &[protocol]);
            }
            match (honest, v4) {
                (true, true) => set(2, &length.to_be_bytes()),
                (true, false) => set(4, &length.saturating_sub(40).to_be_bytes()),
                (false, _) => {}
            }
            (v4, [vec![mac; 14], packet].concat())
        },
    )
}

/// The whole error as it would be sent, or what becomes of the packet instead.
fn answer<F: TooBig>(frame: &[u8], largest: u32) -> Result<Vec<u8>, Verdict> {
    let (error, quote) = too_big::<F, _>(frame, 14, largest)?;
    assert!(quote <= F::QUOTE && quote.is_multiple_of(4), "a quote of {quote} bytes");
    Ok([error.as_bytes(), &frame[14..14 + quote]].concat())
}

proptest! {
    #[test]
    fn an_error_about_any_bytes_sums_up_and_quotes_them((v4, frame) in frame(), largest in 0_u32..70_000) {
        let answer = if v4 { answer::<V4>(&frame, largest) } else { answer::<V6>(&frame, largest) };
        match answer {
            Ok(answer) if v4 => {
                prop_assert_eq!(sum(&answer[..20]), 0xffff, "the IPv4 header");
                prop_assert_eq!(sum(&answer[20..]), 0xffff, "ICMP");
                prop_assert!(answer.len() <= 576);
                prop_assert_eq!(usize::from(u16::from_be_bytes([answer[2], answer[3]])), answer.len());
                prop_assert_eq!(&answer[12..16], &frame[30..34], "from where it was sent to");
                prop_assert_eq!(&answer[16..20], &frame[26..30], "to where it came from");
            }
            Ok(answer) => {
                let length = u16::try_from(answer.len() - V6::HEADER).expect("a short packet").to_be_bytes();
                let pseudo = [&answer[8..40], &[0, 0], &length, &[0, 0, 0, 58]].concat();
                prop_assert_eq!(sum(&[&pseudo, &answer[40..]].concat()), 0xffff, "ICMPv6");
                prop_assert!(answer.len() <= 1280);
                prop_assert_eq!(&answer[4..6], &length);
                prop_assert_eq!(&answer[8..24], &frame[38..54], "from where it was sent to");
                prop_assert_eq!(&answer[24..40], &frame[22..38], "to where it came from");
            }
            Err(verdict) => {
                prop_assert!([Verdict::TooBig, Verdict::NeedsFragmenting].contains(&verdict), "{}", verdict.name());
            }
        }
    }

    #[test]
    fn no_error_answers_icmp_or_goes_to_a_group((v4, mut frame) in frame(), group: bool) {
        prop_assume!(frame.len() > 54);
        match (group, v4) {
            (true, true) => frame[26] |= 224,
            (true, false) => frame[22] = 0xff,
            (false, true) => frame[23] = 1,
            (false, false) => frame[20] = 58,
        }
        let answer = if v4 { answer::<V4>(&frame, 100) } else { answer::<V6>(&frame, 100) };
        prop_assert!(answer.is_err());
    }
}

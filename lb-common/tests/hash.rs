//! The keyed hash: the same everywhere and for ever, even, and without collisions.
#![cfg(test)]

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lb_common::{
    hash::scale,
    maps::{HashKeys, address_words},
    parse::{V4, V6},
    wire::Be32,
};

const TCP: u8 = 6;
const UDP: u8 = 17;

fn ports(source: u16, destination: u16) -> u32 {
    let ([a, b], [c, d]) = (source.to_be_bytes(), destination.to_be_bytes());
    u32::from_ne_bytes([a, b, c, d])
}

fn v4(address: Ipv4Addr) -> Be32 {
    Be32::new(address.to_bits())
}

/// The hash of a client's packet to a VIP, of whichever family.
fn tag(keys: &HashKeys, source: IpAddr, destination: IpAddr, ports: u32, protocol: u8) -> u64 {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            keys.tag::<V4>(v4(source), v4(destination), ports, protocol)
        }
        _ => keys.tag::<V6>(address_words(source), address_words(destination), ports, protocol),
    }
}

/// Nodes of different versions choose the same slot only as long as these stay what they are. The figures
/// come from another implementation of the hash, in another language.
#[test]
fn every_version_hashes_alike() {
    let keys = HashKeys::from_seed(b"pointsman");
    assert_eq!(keys.addresses[0].whiten, 0x024c_3000_6700_36e1);
    assert_eq!(keys.addresses[3].multiply, [0x062e_b073_a5f0_f059, 0xc483_6887_fb3b_19db]);
    assert_eq!(keys.ports.whiten, 0x8d2a_cdb8_353b_de0e);
    assert_eq!((keys.back, keys.last), (0xdc1b_7ad4_75d8_bea6, 0xfc4a_f017_edb2_5cd7));

    let (client, vip) = (v4([192, 0, 2, 7].into()), v4([10, 0, 0, 1].into()));
    assert_eq!(keys.tag::<V4>(client, vip, ports(40_000, 80), TCP), 0x1cbe_51a8_0865_96b6);
    assert_eq!(keys.back::<V4>(client, vip, ports(40_000, 80), TCP), 0x77d3_f8cd_67b5_b59c);

    let words = |address: &str| address_words(address.parse().expect("an address"));
    let (client, vip) = (words("2001:db8::7"), words("fd00::1"));
    assert_eq!(keys.tag::<V6>(client, vip, ports(40_000, 443), UDP), 0x9700_28ad_1060_e1a9);
    assert_eq!(keys.back::<V6>(client, vip, ports(40_000, 443), UDP), 0x6df1_9983_c06e_1817);

    let (keys, zero) = (HashKeys::from_seed(b""), Be32::new(0));
    assert_eq!(keys.tag::<V4>(zero, zero, 0, 0), 0x3a43_817d_2352_dda5);
    assert_eq!(keys.back::<V4>(zero, zero, 0, 0), 0xf384_96e9_af72_c0f7);
}

#[test]
fn the_multipliers_are_odd_and_the_keys_differ_with_the_seed() {
    let mut met = HashSet::new();
    for seed in 0..1000_u32 {
        let keys = HashKeys::from_seed(&seed.to_le_bytes());
        let lanes = keys.addresses.into_iter().chain([keys.ports]);
        let multipliers = lanes.clone().flat_map(|lane| lane.multiply).chain([keys.last]);
        assert!(multipliers.clone().all(|multiplier| multiplier % 2 == 1), "an even one loses a bit");
        for word in lanes.map(|lane| lane.whiten).chain([keys.back]).chain(multipliers) {
            assert!(met.insert(word), "seed {seed} shares a key with another");
        }
    }
}

/// Two words that change together: where lanes shared their multipliers, the sum often stayed.
#[test]
fn subnets_hosts_and_ports_in_a_row_collide_no_more_than_chance() {
    let vip = address_words("fd00::1".parse().expect("an address"));
    for seed in 0..4_u32 {
        let keys = HashKeys::from_seed(&seed.to_le_bytes());
        let clients = (0..64_u128).flat_map(|subnet| {
            (0..64).map(move |host| Ipv6Addr::from_bits(0x2001_0db8 << 96 | subnet << 64 | host))
        });
        let tags = clients.flat_map(|client| {
            let client = address_words(client.into());
            (32_768..33_024).map(move |port| keys.tag::<V6>(client, vip, ports(port, 80), TCP))
        });
        let mut tags = tags.map(|tag| tag >> 24).collect::<Vec<_>>();
        let tuples = tags.len();
        tags.sort_unstable();
        tags.dedup();
        // A million values of 40 bits: half a pair is expected.
        assert!(tuples - tags.len() < 6, "{} of {tuples} collide", tuples - tags.len());
    }
}

/// Tuples as they come in life: few addresses, ports in a row.
fn structured() -> impl Iterator<Item = (IpAddr, IpAddr, u32, u8)> {
    let v4 = (0..32_u32).flat_map(|host| {
        let client = IpAddr::from(Ipv4Addr::from_bits(0xc000_0200 + host));
        (0..8_u8).map(move |vip| (client, IpAddr::from([10, 0, 0, vip])))
    });
    let v6 = (0..32_u128).flat_map(|host| {
        let client = IpAddr::from(Ipv6Addr::from_bits(0x2001_0db8 << 96 | host));
        (0..8_u16).map(move |vip| (client, IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, vip])))
    });
    v4.chain(v6).flat_map(|(client, vip)| {
        (32_768..33_768).flat_map(move |port| {
            [(80, TCP), (443, UDP)].map(|(to, protocol)| (client, vip, ports(port, to), protocol))
        })
    })
}

/// A million tuples: were the hash 40 bits wide, half of such a run would collide.
#[test]
fn no_two_of_a_million_flows_collide() {
    let keys = HashKeys::from_seed(b"collide");
    let mut tags = structured().map(|(a, b, ports, protocol)| tag(&keys, a, b, ports, protocol));
    let mut tags = tags.by_ref().collect::<Vec<_>>();
    assert!(tags.len() > 1_000_000, "{} tuples", tags.len());
    let tuples = tags.len();
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), tuples, "every tuple has a tag of its own");
}

/// A flow and a reply of the same words never stand in one entry.
#[test]
fn a_flow_and_a_reply_of_one_tuple_differ() {
    let keys = HashKeys::from_seed(b"back");
    let zero = address_words(Ipv6Addr::UNSPECIFIED.into());
    for port in 0..10_000 {
        let (there, back) = (keys.tag::<V6>(zero, zero, port, TCP), keys.back::<V6>(zero, zero, port, TCP));
        assert_ne!(there, back);
    }
}

/// Pearson's chi-square over `bins` bins: about `bins - 1`, its deviation the root of twice that.
fn assert_even(what: &str, bins: u32, places: impl Iterator<Item = u32>) {
    let mut met = vec![0_u32; usize::try_from(bins).expect("a size")];
    let mut flows = 0.0;
    for place in places {
        met[usize::try_from(place).expect("a place")] += 1;
        flows += 1.0;
    }
    let expected = flows / f64::from(bins);
    let chi_square = met.iter().map(|met| (f64::from(*met) - expected).powi(2) / expected).sum::<f64>();
    let freedom = f64::from(bins - 1);
    let deviations = (chi_square - freedom) / (2.0 * freedom).sqrt();
    println!("{what}, {bins} bins of {expected:.1}: {deviations:+.2} deviations");
    assert!(deviations.abs() < 5.0, "{what}: chi-square is {deviations:.1} deviations off");
}

#[test]
fn flows_spread_evenly_over_slots_sets_and_sessions() {
    for seed in ["a", "another", "one more"] {
        let keys = HashKeys::from_seed(seed.as_bytes());
        let flows = structured().step_by(3);
        let tags = flows.map(|(a, b, ports, protocol)| tag(&keys, a, b, ports, protocol)).collect::<Vec<_>>();
        let tags = || tags.iter().copied();
        for slots in [7, 4_093, 65_537] {
            assert_even(&format!("{seed}: slots"), slots, tags().map(|tag| scale(tag, slots)));
        }
        let low = |tag: u64| u32::try_from(tag & 0xffff_ffff).expect("32 bits");
        assert_even(&format!("{seed}: one set"), 4096, tags().map(|tag| low(tag) & 4095));
        assert_even(&format!("{seed}: the other set"), 4096, tags().map(|tag| low(tag >> 32) & 4095));
        assert_even(
            &format!("{seed}: both halves"),
            4096,
            tags().map(|tag| low(tag) & 63 | low(tag >> 32) & 63 << 6),
        );
    }
}

/// Each bit of the tuple changes each bit of the hash half of the time.
#[test]
fn every_bit_of_the_tuple_reaches_every_bit_of_the_hash() {
    const FLOWS: u32 = 4_000;
    let keys = HashKeys::from_seed(b"avalanche");
    let mut worst = (0.0, 0, 0);
    for bit in 0..104 {
        let mut changed = [0_u32; 64];
        for flow in 0..FLOWS {
            let hash = |tuple: u128| {
                let [a, b, c, d, e, f, g, h, i, j, k, l, protocol, ..] = tuple.to_le_bytes();
                let word = |bytes: [u8; 4]| Be32::from_raw(u32::from_ne_bytes(bytes));
                let ports = u32::from_ne_bytes([i, j, k, l]);
                keys.tag::<V4>(word([a, b, c, d]), word([e, f, g, h]), ports, protocol)
            };
            let tuple = u128::from(flow.wrapping_mul(0x9e37_79b9)) << 40 | u128::from(flow);
            let change = hash(tuple) ^ hash(tuple ^ 1 << bit);
            changed
                .iter_mut()
                .enumerate()
                .for_each(|(at, changed)| *changed += u32::from(change >> at & 1 == 1));
        }
        for (at, changed) in changed.into_iter().enumerate() {
            let off = (f64::from(changed) / f64::from(FLOWS) - 0.5).abs();
            worst = if off > worst.0 { (off, bit, at) } else { worst };
        }
    }
    // The share of 4,000 coins deviates by 0.8 %; the worst of 6,656 shares by some five times that.
    assert!(
        worst.0 < 0.045,
        "bit {} of the tuple, bit {} of the hash: off by {:.3}",
        worst.1,
        worst.2,
        worst.0
    );
}

#[test]
fn scaling_keeps_the_order_and_stays_in_the_range() {
    for range in [1, 2, 7, 4_093, 65_537, 1 << 22, u32::MAX] {
        assert_eq!(scale(0, range), 0);
        assert_eq!(scale(u64::MAX, range), range - 1);
        let places = (0..1000).map(|step| scale(step * (u64::MAX / 999), range)).collect::<Vec<_>>();
        assert!(places.is_sorted(), "a larger hash, a later place");
        assert!(places.iter().all(|place| *place < range), "inside the ring");
    }
}

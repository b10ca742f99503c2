//! Who has which address. Private and documentation prefixes only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where virtual addresses come from: RFC 5737 and RFC 3849 keep these for documentation.
pub(super) const VIPS_V4: &str = "198.51.100.0/24";
pub(super) const VIPS_V6: &str = "2001:db8:100::/64";

/// Where the outer source addresses of encapsulated packets come from.
pub const OUTER_V4: &str = "10.77.0.0/16";
pub const OUTER_V6: &str = "fd77::/64";

/// The virtual address with this number: 198.51.100.n.
pub const fn vip4(number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, number))
}

/// The virtual address with this number: 2001:db8:100::n, n as a decimal number's value.
pub const fn vip6(number: u8) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x100, 0, 0, 0, 0, number as u16))
}

/// The virtual address with this number, in either family.
pub const fn vip(family: Family, number: u8) -> IpAddr {
    match family {
        Family::V4 => vip4(number),
        Family::V6 => vip6(number),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];
}

/// One link's prefixes: `10.a.b.0/24` and `fd0a:b::/64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    a: u8,
    b: u8,
}

impl Subnet {
    pub const CLIENTS: Self = Self { a: 0, b: 0 };
    pub const EDGE: Self = Self { a: 1, b: 0 };
    pub const SECOND_ARM: Self = Self { a: 1, b: 1 };

    /// The router's place on every link.
    pub const ROUTER: u8 = 1;
    /// The place of the link's first other host.
    pub const FIRST: u8 = 2;

    /// The link of the training node with this number.
    pub const fn of_node(number: u8) -> Self {
        Self { a: 2, b: number }
    }

    /// The link between the edge node, in the router's place, and the training node with this number.
    pub const fn of_adjacent(number: u8) -> Self {
        Self { a: 3, b: number }
    }

    pub fn host(self, family: Family, place: u8) -> IpAddr {
        let (a, b) = (self.a, self.b);
        match family {
            Family::V4 => Ipv4Addr::new(10, a, b, place).into(),
            Family::V6 => Ipv6Addr::new(0xfd00 + u16::from(a), b.into(), 0, 0, 0, 0, 0, place.into()).into(),
        }
    }
}

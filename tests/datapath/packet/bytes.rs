//! From fields to bytes.

use super::{Packet, TCP, UDP, checksum, octets};

impl Packet {
    /// The whole frame.
    pub(crate) fn frame(&self) -> Vec<u8> {
        let ethertype = if self.is_v4() { 0x0800 } else { 0x86dd };
        [self.link(ethertype), self.ip(), vec![0; self.padding]].concat()
    }

    /// MACs, tags, and the type of what follows.
    pub(super) fn link(&self, ethertype: u16) -> Vec<u8> {
        let mut link = [self.to, self.from].concat();
        for (kind, control) in &self.tags {
            link.extend(kind.to_be_bytes());
            link.extend(control.to_be_bytes());
        }
        link.extend(ethertype.to_be_bytes());
        link
    }

    /// From the IP header on, without what pads the frame.
    pub(crate) fn ip(&self) -> Vec<u8> {
        let transport = self.segment();
        if self.is_v4() { self.ipv4(&transport) } else { self.ipv6(&transport) }
    }

    fn ipv4(&self, transport: &[u8]) -> Vec<u8> {
        assert!(self.options.len().is_multiple_of(4), "options fill words of four bytes");
        let words = u8::try_from(5 + self.options.len() / 4).expect("at most 15 words");
        let length = u16::try_from(20 + self.options.len() + transport.len()).expect("an IPv4 packet");
        let mut header = vec![0x40 | words, self.traffic_class];
        header.extend(length.to_be_bytes());
        header.extend(self.identification.to_be_bytes());
        header.extend(self.fragment.to_be_bytes());
        header.extend([self.hop_limit, self.protocol, 0, 0]);
        header.extend(octets(self.source.ip()));
        header.extend(octets(self.destination.ip()));
        header.extend(&self.options);
        let checksum = checksum::internet(&header);
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        [&header, transport].concat()
    }

    fn ipv6(&self, transport: &[u8]) -> Vec<u8> {
        let kinds = self.extensions.iter().map(|(kind, _)| *kind).chain([self.protocol]).collect::<Vec<_>>();
        let mut extensions = Vec::new();
        for ((_, units), next) in self.extensions.iter().zip(&kinds[1..]) {
            extensions.extend([*next, *units]);
            extensions.extend(vec![0; 6 + 8 * usize::from(*units)]);
        }
        let length = u16::try_from(extensions.len() + transport.len()).expect("no jumbogram");
        let first = 6 << 28 | u32::from(self.traffic_class) << 20 | self.flow_label;
        let mut header = first.to_be_bytes().to_vec();
        header.extend(length.to_be_bytes());
        header.extend([kinds[0], self.hop_limit]);
        header.extend(octets(self.source.ip()));
        header.extend(octets(self.destination.ip()));
        [&header, &extensions, transport].concat()
    }

    /// The TCP or UDP header, and the payload.
    fn segment(&self) -> Vec<u8> {
        let (source, destination) = (self.source.port().to_be_bytes(), self.destination.port().to_be_bytes());
        let ports = [source, destination].concat();
        let (header, at) = match self.protocol {
            TCP => (self.tcp_header(&ports), 16),
            UDP => (self.udp_header(&ports), 6),
            _ => return self.payload.clone(),
        };
        let mut segment = [&header, self.payload.as_slice()].concat();
        if self.protocol == UDP && !self.checksum {
            return segment;
        }
        let (source, destination) = (octets(self.source.ip()), octets(self.destination.ip()));
        let pseudo = checksum::pseudo_header(&source, &destination, self.protocol, segment.len());
        let checksum = match checksum::internet(&[pseudo, segment.clone()].concat()) {
            // RFC 768: zero says that there is none.
            0 if self.protocol == UDP => 0xffff,
            checksum => checksum,
        };
        segment[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
        segment
    }

    fn tcp_header(&self, ports: &[u8]) -> Vec<u8> {
        let (sequence, acknowledgment) = ([0, 0, 0x12, 0x34], [0, 0, 0x56, 0x78]);
        [ports, &sequence, &acknowledgment, &[5 << 4, self.flags, 0xfa, 0xf0, 0, 0, 0, 0]].concat()
    }

    fn udp_header(&self, ports: &[u8]) -> Vec<u8> {
        let length = u16::try_from(8 + self.payload.len()).expect("a datagram").to_be_bytes();
        [ports, &length, &[0, 0]].concat()
    }
}

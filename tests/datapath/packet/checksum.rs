//! The Internet checksum, word by word as RFC 1071 tells it.

/// Sum of `bytes` as 16-bit numbers in network byte order, with its carries added in again.
pub(crate) fn sum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for word in bytes.chunks(2) {
        sum += u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).expect("the carry was added in")
}

/// What makes the sum over `bytes` and itself all ones.
pub(crate) fn internet(bytes: &[u8]) -> u16 {
    !sum(bytes)
}

/// What TCP and UDP count in of the IP header (RFC 9293, 3.1; RFC 8200, 8.1), for both families: the length
/// and the protocol take more room in IPv6, but add up the same.
pub(crate) fn pseudo_header(source: &[u8], destination: &[u8], protocol: u8, length: usize) -> Vec<u8> {
    let length = u16::try_from(length).expect("no longer than an IP packet").to_be_bytes();
    [source, destination, &[0, protocol], &length].concat()
}

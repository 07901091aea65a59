//! The Internet checksum (RFC 1071): the ones' complement of the ones' complement sum of 16-bit words.
//!
//! Summing words in the other byte order swaps the bytes of the result (RFC 1071 §2 (B)). Summing wider words gives the
//! same result after folding (§2 (C)). Therefore the code adds little-endian 64-bit words, and folds and swaps only the
//! total.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::IpProtocol;

/// A running ones' complement sum.
///
/// ```
/// use switchboard_encap::wire::Sum;
///
/// // The example of RFC 1071 §3.
/// let mut sum = Sum::default();
/// sum.add_bytes(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
/// assert_eq!(sum.folded(), 0xddf2);
/// assert_eq!(sum.checksum(), 0x220d);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    /// Equal, modulo 0xffff, to the sum of the little-endian 16-bit words so far. It is 0 only if every word is 0.
    total: u64,
    /// Whether the number of bytes so far is odd. The next byte is then the second byte of its word.
    is_odd: bool,
}

impl Sum {
    /// Adds bytes as big-endian words. Input may be split anywhere: after an odd number of bytes, the next slice
    /// completes the last word. If no slice follows, a zero byte completes it.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "callers often know `is_odd` at compile time")]
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        let sum = little_endian_sum(bytes);
        // If the slice begins with the second byte of a word, the bytes of its sum are swapped.
        self.total += if self.is_odd { u64::from(fold(sum).swap_bytes()) } else { sum };
        self.is_odd ^= bytes.len() % 2 == 1;
    }

    /// Adds a 16-bit word. The bytes added before must form whole words.
    #[inline]
    pub(crate) fn add_u16(&mut self, word: u16) {
        debug_assert!(!self.is_odd, "a word was added after an odd number of bytes");
        self.total += u64::from(word.swap_bytes());
    }

    /// Adds two 16-bit words. The bytes added before must form whole words.
    #[inline]
    pub(crate) fn add_u32(&mut self, words: u32) {
        debug_assert!(!self.is_odd, "words were added after an odd number of bytes");
        self.total += u64::from(words.swap_bytes());
    }

    /// The sum folded to 16 bits, not complemented: the value of a partial checksum field.
    #[must_use]
    #[inline]
    pub fn folded(self) -> u16 {
        fold(self.total).swap_bytes()
    }

    /// Whether the sum folds to 0xffff, as it does if the added bytes include their correct checksum. The sum folds to
    /// 0xffff exactly if it is a multiple of 0xffff other than 0, which is faster to test than folding.
    #[inline]
    fn is_all_ones(self) -> bool {
        self.total != 0 && self.total.is_multiple_of(0xffff)
    }

    /// The checksum: complement of the folded sum.
    #[must_use]
    #[inline]
    pub fn checksum(self) -> u16 {
        !self.folded()
    }
}

/// Adds the upper 32 bits to the lower 32.
#[inline]
const fn half_fold(total: u64) -> u64 {
    (total & 0xffff_ffff) + (total >> 32)
}

/// Folds a sum to 16 bits. Adding a number to its copy with swapped halves leaves the sum of both halves, with
/// end-around carry, in the upper half of the result.
#[inline]
const fn fold(total: u64) -> u16 {
    let total = (total.wrapping_add(total.rotate_left(32)) >> 32) as u32;
    (total.wrapping_add(total.rotate_left(16)) >> 16) as u16
}

/// Sum of the bytes as little-endian words; the last word is padded with zeros.
#[inline]
fn little_endian_sum(bytes: &[u8]) -> u64 {
    let (mut total, mut carries) = (0_u64, 0_u64);
    // Each word adds the carry of the word before, so a word costs one addition.
    let mut add_words = |words: &[[u8; 8]]| {
        let mut carry = false;
        for word in words {
            (total, carry) = total.carrying_add(u64::from_le_bytes(*word), carry);
        }
        carries += u64::from(carry);
    };
    let (blocks, after_blocks) = bytes.as_chunks::<32>();
    for block in blocks {
        add_words(block.as_chunks().0);
    }
    let (words, tail) = after_blocks.as_chunks::<8>();
    for word in words {
        add_words(&[*word]);
    }
    if let (1.., Some(last)) = (tail.len(), bytes.last_chunk()) {
        // Reads the tail with the bytes before it as one word, and shifts out those bytes, which are already added.
        add_words(&[(u64::from_le_bytes(*last) >> (8 * (8 - tail.len()))).to_le_bytes()]);
    } else {
        // Fewer than eight bytes in total, or no tail.
        for (i, byte) in tail.iter().enumerate() {
            add_words(&[(u64::from(*byte) << (8 * i)).to_le_bytes()]);
        }
    }
    half_fold(total) + carries
}

/// The pseudo header: addresses, protocol and length. The checksums of TCP, UDP and `ICMPv6` cover it before the
/// segment, to detect misrouted packets (RFC 9293 §3.1, RFC 768, RFC 8200 §8.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PseudoHeader {
    /// For IPv4.
    V4 {
        /// Source address.
        source: Ipv4Addr,
        /// Final destination address.
        destination: Ipv4Addr,
        /// Protocol of the transport header.
        protocol: IpProtocol,
        /// Length of the transport header and its payload, in bytes.
        length: u32,
    },
    /// For IPv6.
    V6 {
        /// Source address.
        source: Ipv6Addr,
        /// Final destination address.
        destination: Ipv6Addr,
        /// Protocol of the transport header.
        protocol: IpProtocol,
        /// Length of the transport header and its payload, in bytes.
        length: u32,
    },
}

impl PseudoHeader {
    /// Protocol of the transport header.
    pub(crate) const fn protocol(&self) -> IpProtocol {
        match *self {
            Self::V4 { protocol, .. } | Self::V6 { protocol, .. } => protocol,
        }
    }

    /// The sum of the pseudo header. Add the segment's bytes to it.
    #[inline]
    pub(crate) fn sum(&self) -> Sum {
        let mut sum = Sum::default();
        let (protocol, length) = match *self {
            Self::V4 { source, destination, protocol, length } => {
                sum.add_u32(source.to_bits());
                sum.add_u32(destination.to_bits());
                (protocol, length)
            }
            Self::V6 { source, destination, protocol, length } => {
                sum.add_bytes(&source.octets());
                sum.add_bytes(&destination.octets());
                (protocol, length)
            }
        };
        sum.add_u16(u16::from(protocol.0));
        sum.add_u32(length);
        sum
    }

    /// The two values that systems leave in the checksum field for the network card to complete: the folded sum of the
    /// pseudo header, and the folded sum with a length of 0.
    pub(crate) fn partial_sums(&self) -> [u16; 2] {
        let mut without_length = *self;
        let (Self::V4 { length, .. } | Self::V6 { length, .. }) = &mut without_length;
        *length = 0;
        [self.sum().folded(), without_length.sum().folded()]
    }

    /// Encodes the pseudo header in the layout of its RFC.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::V4 { source, destination, protocol, length } => {
                // The field has 16 bits, so a longer length is truncated.
                let length = length.to_be_bytes();
                [&source.octets()[..], &destination.octets(), &[0, protocol.0], &length[2..]].concat()
            }
            Self::V6 { source, destination, protocol, length } => {
                [&source.octets()[..], &destination.octets(), &length.to_be_bytes(), &[0, 0, 0, protocol.0]].concat()
            }
        }
    }
}

/// The result of verifying a checksum.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Checksum {
    /// The checksum is correct.
    Valid,
    /// The checksum is wrong, and the field is neither 0 nor a partial checksum: some bytes were changed.
    Wrong {
        /// Field value.
        found: u16,
        /// Correct value.
        expected: u16,
    },
    /// The field is 0, and that is not the correct checksum.
    Zeroed(Zeroed),
    /// The field holds the folded sum of the pseudo header, not complemented. The packet was captured before the
    /// network card completed the checksum (checksum offload), or on loopback, where it is never completed. For large
    /// send offload, some systems sum the pseudo header with a length of 0.
    Partial,
    /// Some of the summed bytes are missing.
    Uncheckable(Uncheckable),
}

/// Why a checksum field is 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Zeroed {
    /// UDP over IPv4: the sender omitted the checksum (RFC 768).
    NotUsed,
    /// UDP over IPv6: not allowed except in some tunnels (RFC 8200 §8.1, RFC 6935).
    Illegal,
    /// Other protocols: left to the network card, or never computed on loopback.
    NotComputed,
}

/// Why a checksum cannot be verified.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Uncheckable {
    /// The capture holds only part of the bytes.
    CutShort,
    /// The packet is fragmented.
    Fragment,
    /// The packet follows a source route: the checksum covers the final destination, but the IP header holds the next
    /// hop.
    RoutedOnward,
}

/// Verifies the checksum field at offset `at` of a complete segment, datagram or message.
///
/// `pseudo` is `None` for ICMP over IPv4 and for the IPv4 header: their checksums have no pseudo header.
#[inline]
pub(crate) fn verify(pseudo: Option<&PseudoHeader>, segment: &[u8], at: usize) -> Checksum {
    let Some(&[high, low]) = segment.get(at..at + 2).and_then(|field| field.first_chunk()) else {
        return Checksum::Uncheckable(Uncheckable::CutShort);
    };
    let mut sum = pseudo.map_or_else(Sum::default, PseudoHeader::sum);
    sum.add_bytes(segment);
    match u16::from_be_bytes([high, low]) {
        found if found != 0 && sum.is_all_ones() => Checksum::Valid,
        found => classify(pseudo, sum, found),
    }
}

/// Classifies a field that is 0 or does not match the sum.
#[cold]
fn classify(pseudo: Option<&PseudoHeader>, sum: Sum, found: u16) -> Checksum {
    let udp = pseudo.filter(|pseudo| pseudo.protocol() == IpProtocol::UDP);
    if found == 0
        && let Some(pseudo) = udp
    {
        return Checksum::Zeroed(match pseudo {
            PseudoHeader::V4 { .. } => Zeroed::NotUsed,
            PseudoHeader::V6 { .. } => Zeroed::Illegal,
        });
    }
    if sum.is_all_ones() {
        return Checksum::Valid;
    }
    if pseudo.is_some_and(|pseudo| pseudo.partial_sums().contains(&found)) {
        return Checksum::Partial;
    }
    if found == 0 {
        return Checksum::Zeroed(Zeroed::NotComputed);
    }
    // Adding the complement of a word subtracts the word (RFC 1624 §3). The field is at an even offset, so the
    // subtraction does not depend on `is_odd`.
    let mut sum_without_field = Sum { is_odd: false, ..sum };
    sum_without_field.add_u16(!found);
    let expected = if udp.is_some() { udp_field(sum_without_field) } else { sum_without_field.checksum() };
    Checksum::Wrong { found, expected }
}

/// Computes and writes the checksum field at offset `at` of a complete segment, datagram or message.
///
/// # Panics
///
/// If the field is outside `segment`.
#[inline]
pub(crate) fn fill(pseudo: Option<&PseudoHeader>, segment: &mut [u8], at: usize) {
    segment[at..at + 2].fill(0);
    let mut sum = pseudo.map_or_else(Sum::default, PseudoHeader::sum);
    sum.add_bytes(segment);
    let is_udp = pseudo.is_some_and(|pseudo| pseudo.protocol() == IpProtocol::UDP);
    let field = if is_udp { udp_field(sum) } else { sum.checksum() };
    segment[at..at + 2].copy_from_slice(&field.to_be_bytes());
}

/// The checksum field of a UDP datagram with this sum. A checksum of 0 is sent as all ones, because a field of 0 means
/// "no checksum" (RFC 768).
#[inline]
pub(crate) fn udp_field(sum: Sum) -> u16 {
    match sum.checksum() {
        0 => 0xffff,
        field => field,
    }
}

/// A checksum computed step by step, as by hand: 16-bit words first, then the folds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SumSteps {
    /// Sum of the words of each slice.
    pub(crate) parts: Vec<u64>,
    /// Sum of all words, unfolded.
    pub(crate) total: u64,
    /// The total after each fold (low 16 bits plus the bits above), until it fits 16 bits. Empty if it fits from the
    /// start.
    pub(crate) folds: Vec<u64>,
    /// Complement of the folded total.
    pub(crate) checksum: u16,
}

/// Computes a checksum over `slices` step by step. Only the last slice may have an odd length; it is padded with a zero
/// byte.
pub(crate) fn sum_steps(slices: &[&[u8]]) -> SumSteps {
    let parts: Vec<u64> = slices.iter().map(|bytes| words(bytes).map(u64::from).sum()).collect();
    let total: u64 = parts.iter().sum();
    let mut folds = Vec::new();
    let mut sum = total;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
        folds.push(sum);
    }
    #[expect(clippy::cast_possible_truncation, reason = "folded to 16 bits")]
    let checksum = !(sum as u16);
    SumSteps { parts, total, folds, checksum }
}

/// Big-endian 16-bit words of `bytes`; an odd last byte is padded with zero.
pub(crate) fn words(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pseudo headers of a datagram with two bytes of payload.
    const V4_UDP: PseudoHeader = PseudoHeader::V4 {
        source: Ipv4Addr::LOCALHOST,
        destination: Ipv4Addr::LOCALHOST,
        protocol: IpProtocol::UDP,
        length: 10,
    };
    const V6_UDP: PseudoHeader = PseudoHeader::V6 {
        source: Ipv6Addr::LOCALHOST,
        destination: Ipv6Addr::LOCALHOST,
        protocol: IpProtocol::UDP,
        length: 10,
    };

    #[test]
    fn rfc_1071_example_step_by_step() {
        let steps = sum_steps(&[&[0x00, 0x01, 0xf2, 0x03], &[0xf4, 0xf5, 0xf6, 0xf7]]);
        assert_eq!(steps.parts, [0xf204, 0x1_ebec]);
        assert_eq!((steps.total, steps.folds, steps.checksum), (0x2_ddf0, vec![0xddf2], 0x220d));
    }

    #[test]
    fn is_all_ones_agrees_with_folding() {
        for total in (0..=0x4_0000).chain(u64::MAX - 0x4_0000..=u64::MAX) {
            assert_eq!(Sum { total, is_odd: false }.is_all_ones(), fold(total) == 0xffff, "{total:#x}");
        }
    }

    #[test]
    fn no_carry_is_lost_at_any_length() {
        for len in 0..=200 {
            let bytes = vec![0xff; len];
            let mut sum = Sum::default();
            sum.add_bytes(&bytes);
            assert_eq!(sum.checksum(), sum_steps(&[&bytes]).checksum, "{len} bytes");
        }
    }

    #[test]
    fn udp_checksum_of_zero_is_sent_as_all_ones() {
        for pseudo in [V4_UDP, V6_UDP] {
            let mut datagram = [0x23, 0x28, 0x1f, 0x90, 0, 10, 0, 0, 0, 0];
            let mut sum = pseudo.sum();
            sum.add_bytes(&datagram);
            // With this payload, the datagram sums to all ones, so its checksum is 0.
            datagram[8..].copy_from_slice(&sum.checksum().to_be_bytes());
            fill(Some(&pseudo), &mut datagram, 6);
            assert_eq!(datagram[6..8], [0xff, 0xff]);
            assert_eq!(verify(Some(&pseudo), &datagram, 6), Checksum::Valid);
        }
    }

    #[test]
    fn meaning_of_a_zero_field_depends_on_the_protocol() {
        let datagram = [0x23, 0x28, 0x1f, 0x90, 0, 10, 0, 0, b'h', b'i'];
        assert_eq!(verify(Some(&V4_UDP), &datagram, 6), Checksum::Zeroed(Zeroed::NotUsed));
        assert_eq!(verify(Some(&V6_UDP), &datagram, 6), Checksum::Zeroed(Zeroed::Illegal));
        assert_eq!(verify(None, &datagram, 6), Checksum::Zeroed(Zeroed::NotComputed));
    }

    #[test]
    fn wrong_partial_and_cut_checksums_are_distinguished() {
        let mut datagram = [0x23, 0x28, 0x1f, 0x90, 0, 10, 0, 0, b'h', b'i'];
        fill(Some(&V4_UDP), &mut datagram, 6);
        let expected = u16::from_be_bytes([datagram[6], datagram[7]]);
        datagram[6..8].copy_from_slice(&V4_UDP.sum().folded().to_be_bytes());
        assert_eq!(verify(Some(&V4_UDP), &datagram, 6), Checksum::Partial);
        // For large sends, Windows sums the pseudo header with a length of 0.
        let [_, large_send] = V4_UDP.partial_sums();
        datagram[6..8].copy_from_slice(&large_send.to_be_bytes());
        assert_eq!(verify(Some(&V4_UDP), &datagram, 6), Checksum::Partial);
        datagram[6..8].copy_from_slice(&[0x12, 0x34]);
        assert_eq!(verify(Some(&V4_UDP), &datagram, 6), Checksum::Wrong { found: 0x1234, expected });
        assert_eq!(verify(Some(&V4_UDP), &datagram[..7], 6), Checksum::Uncheckable(Uncheckable::CutShort));
    }

    proptest! {
        #[test]
        fn sum_does_not_depend_on_how_the_bytes_are_split(
            bytes: Vec<u8>, cuts in prop::collection::vec(0..300_usize, 0..4),
        ) {
            let mut sum = Sum::default();
            let mut rest = &bytes[..];
            for cut in cuts {
                let (part, remainder) = rest.split_at(cut.min(rest.len()));
                sum.add_bytes(part);
                rest = remainder;
            }
            sum.add_bytes(rest);
            prop_assert_eq!(sum.checksum(), sum_steps(&[&bytes]).checksum);
        }

        #[test]
        fn pseudo_header_sum_equals_the_sum_of_its_bytes(source: u128, destination: u128, protocol: u8, length: u16) {
            let (protocol, length) = (IpProtocol(protocol), u32::from(length));
            let (source, destination) = (Ipv6Addr::from(source), Ipv6Addr::from(destination));
            let v6 = PseudoHeader::V6 { source, destination, protocol, length };
            prop_assert_eq!(v6.sum().checksum(), sum_steps(&[&v6.to_bytes()]).checksum);
            let (source, destination) = (Ipv4Addr::from_octets(source.octets()[..4].try_into()?), Ipv4Addr::LOCALHOST);
            let v4 = PseudoHeader::V4 { source, destination, protocol, length };
            prop_assert_eq!(v4.sum().checksum(), sum_steps(&[&v4.to_bytes()]).checksum);
        }

        #[test]
        fn filled_checksum_is_valid_and_any_other_value_is_not(
            mut segment in prop::collection::vec(any::<u8>(), 20..200), other: u16,
        ) {
            let pseudo = PseudoHeader::V4 {
                source: Ipv4Addr::new(192, 0, 2, 1),
                destination: Ipv4Addr::new(192, 0, 2, 2),
                protocol: IpProtocol::TCP,
                length: u32::try_from(segment.len())?,
            };
            fill(Some(&pseudo), &mut segment, 16);
            prop_assert_eq!(verify(Some(&pseudo), &segment, 16), Checksum::Valid);
            let correct = u16::from_be_bytes([segment[16], segment[17]]);
            segment[16..18].copy_from_slice(&other.to_be_bytes());
            match verify(Some(&pseudo), &segment, 16) {
                // In ones' complement, 0x0000 and 0xffff are both zero.
                Checksum::Valid => {
                    prop_assert!(other == correct || (other ^ correct) == 0xffff && (other == 0 || correct == 0));
                }
                Checksum::Wrong { found, expected } => prop_assert_eq!((found, expected), (other, correct)),
                Checksum::Partial => prop_assert!(pseudo.partial_sums().contains(&other)),
                zeroed => prop_assert_eq!(zeroed, Checksum::Zeroed(Zeroed::NotComputed)),
            }
        }
    }
}

//! The control bits of a TCP header (RFC 9293 §3.1, RFC 3168 §6.1).

use std::fmt;
use std::ops::BitOr;

/// A set of control bits. Displayed as in Wireshark: `SYN, ACK`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Flags(u8);

impl Flags {
    /// No bit set.
    pub const NONE: Self = Self(0);
    /// The sender has no more data.
    pub const FIN: Self = Self(0x01);
    /// Synchronize sequence numbers: the start of a connection.
    pub const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub const RST: Self = Self(0x04);
    /// Push: deliver the data to the application at once.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgment number is valid.
    pub const ACK: Self = Self(0x10);
    pub(crate) const URG: Self = Self(0x20);
    pub(crate) const ECE: Self = Self(0x40);
    pub(crate) const CWR: Self = Self(0x80);

    /// Each bit with its name and meaning, most significant bit first.
    pub(crate) const NAMED: [(Self, &'static str, &'static str); 8] = [
        (Self::CWR, "CWR", "congestion window reduced"),
        (Self::ECE, "ECE", "ECN echo: a router on the way was congested; in a SYN: the sender supports ECN"),
        (Self::URG, "URG", "the urgent pointer is valid"),
        (Self::ACK, "ACK", "the acknowledgment number is valid"),
        (Self::PSH, "PSH", "push: deliver the data to the application at once"),
        (Self::RST, "RST", "reset: the connection ends here, both ways"),
        (Self::SYN, "SYN", "synchronize sequence numbers: counts as one byte"),
        (Self::FIN, "FIN", "no more data from the sender: counts as one byte"),
    ];

    /// Reads the flags from the low byte of the 16-bit header field.
    #[inline]
    pub(crate) const fn from_bits(field: u16) -> Self {
        Self((field & 0xff) as u8)
    }

    /// The flags as the low byte of the 16-bit header field.
    #[inline]
    pub(crate) const fn bits(self) -> u16 {
        self.0 as u16
    }

    /// Whether all of `other` are set.
    #[inline]
    pub(crate) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is set.
    #[inline]
    pub(crate) const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Number of sequence numbers that the flags consume: one for SYN, and one for FIN.
    #[inline]
    pub(crate) const fn sequence_len(self) -> u32 {
        self.contains(Self::SYN) as u32 + self.contains(Self::FIN) as u32
    }
}

impl BitOr for Flags {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NONE {
            return f.pad("none");
        }
        // Least significant bit first gives the usual order: SYN, ACK.
        let names = Self::NAMED.iter().rev().filter(|(flag, ..)| self.contains(*flag));
        f.pad(&names.map(|&(_, name, _)| name).collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_displayed_in_wireshark_order() {
        let table = [
            (Flags::NONE, "none", 0),
            (Flags::SYN | Flags::ACK, "SYN, ACK", 1),
            (Flags::FIN | Flags::PSH | Flags::ACK, "FIN, PSH, ACK", 1),
            (Flags::SYN | Flags::ECE | Flags::CWR, "SYN, ECE, CWR", 1),
        ];
        for (flags, text, sequence_len) in table {
            assert_eq!(flags.to_string(), text);
            assert_eq!(flags.sequence_len(), sequence_len, "{text}");
            assert_eq!(Flags::from_bits(flags.bits()), flags);
        }
    }
}

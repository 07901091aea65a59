//! Address resolution for IPv4 over Ethernet (RFC 826): who has this address?

use std::net::Ipv4Addr;
use std::ops::Range;

use super::bytes::{array_at, u16_at};
use super::{Field, HeaderError, Mac, fields::Fields};

/// Bytes of a packet whose addresses are those of Ethernet and IPv4.
pub const PACKET_LEN: usize = 28;

const HARDWARE: Range<usize> = 0..2;
const PROTOCOL: Range<usize> = 2..4;
const LENGTHS: Range<usize> = 4..6;
const OPERATION: Range<usize> = 6..8;
const SENDER_HARDWARE: Range<usize> = 8..14;
const SENDER_PROTOCOL: Range<usize> = 14..18;
const TARGET_HARDWARE: Range<usize> = 18..24;
const TARGET_PROTOCOL: Range<usize> = 24..28;

/// A view of an ARP packet, read as one of Ethernet and IPv4 whatever its first fields say.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    bytes: &'a [u8; PACKET_LEN],
}

impl<'a> Packet<'a> {
    /// The packet at the front of `bytes`.
    #[inline]
    pub fn new_checked(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let bytes = bytes.first_chunk().ok_or_else(|| HeaderError::too_short(PACKET_LEN, bytes))?;
        Ok(Self { bytes })
    }

    /// 1 asks, 2 answers.
    #[must_use]
    pub fn operation(&self) -> u16 {
        u16_at(self.bytes, OPERATION)
    }

    /// Who speaks.
    #[must_use]
    pub fn sender(&self) -> (Mac, Ipv4Addr) {
        (Mac(array_at(self.bytes, SENDER_HARDWARE)), Ipv4Addr::from(array_at::<4>(self.bytes, SENDER_PROTOCOL)))
    }

    /// Who is asked for, or answered.
    #[must_use]
    pub fn target(&self) -> (Mac, Ipv4Addr) {
        (Mac(array_at(self.bytes, TARGET_HARDWARE)), Ipv4Addr::from(array_at::<4>(self.bytes, TARGET_PROTOCOL)))
    }

    /// The fields, for a person to read.
    #[must_use]
    pub fn fields(&self) -> Vec<Field> {
        let mut f = Fields::default();
        f.whole("hardware type", HARDWARE, u16_at(self.bytes, HARDWARE), "1 is Ethernet");
        f.whole("protocol type", PROTOCOL, format_args!("{:#06x}", u16_at(self.bytes, PROTOCOL)), "0x0800 is IPv4");
        f.whole("hardware address length", LENGTHS.start..5, self.bytes[4], "6 bytes for Ethernet");
        f.whole("protocol address length", 5..LENGTHS.end, self.bytes[5], "4 bytes for IPv4");
        let operation = match self.operation() {
            1 => "request: who has the target's address?",
            2 => "reply: the sender has it",
            _ => "not known here",
        };
        f.whole("opcode", OPERATION, self.operation(), operation);
        f.whole("sender hardware address", SENDER_HARDWARE, self.sender().0, "");
        f.whole("sender protocol address", SENDER_PROTOCOL, self.sender().1, "");
        f.whole(
            "target hardware address",
            TARGET_HARDWARE,
            self.target().0,
            "zeros in a request: that is what is asked",
        );
        f.whole("target protocol address", TARGET_PROTOCOL, self.target().1, "");
        f.done()
    }
}

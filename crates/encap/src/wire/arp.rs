//! ARP for IPv4 over Ethernet (RFC 826).

use std::net::Ipv4Addr;
use std::ops::Range;

use super::bytes::{array_at, u16_at};
use super::{Field, HeaderError, Mac, fields::Fields};

/// Packet length with Ethernet and IPv4 addresses, in bytes.
pub(crate) const PACKET_LEN: usize = 28;

const HARDWARE: Range<usize> = 0..2;
const PROTOCOL: Range<usize> = 2..4;
const LENGTHS: Range<usize> = 4..6;
const OPERATION: Range<usize> = 6..8;
const SENDER_HARDWARE: Range<usize> = 8..14;
const SENDER_PROTOCOL: Range<usize> = 14..18;
const TARGET_HARDWARE: Range<usize> = 18..24;
const TARGET_PROTOCOL: Range<usize> = 24..28;

/// A view of an ARP packet. Reads the address fields as Ethernet and IPv4 without checking the type fields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet<'a> {
    bytes: &'a [u8; PACKET_LEN],
}

impl<'a> Packet<'a> {
    /// Checks that `bytes` holds a whole packet.
    #[inline]
    pub(crate) fn new_checked(bytes: &'a [u8]) -> Result<Self, HeaderError> {
        let bytes = bytes.first_chunk().ok_or_else(|| HeaderError::too_short(PACKET_LEN, bytes))?;
        Ok(Self { bytes })
    }

    /// Opcode: 1 is a request, 2 a reply.
    pub(crate) fn operation(self) -> u16 {
        u16_at(self.bytes, OPERATION)
    }

    /// Hardware and protocol address of the sender.
    pub(crate) fn sender(self) -> (Mac, Ipv4Addr) {
        (Mac(array_at(self.bytes, SENDER_HARDWARE)), Ipv4Addr::from(array_at::<4>(self.bytes, SENDER_PROTOCOL)))
    }

    /// Hardware and protocol address of the target.
    pub(crate) fn target(self) -> (Mac, Ipv4Addr) {
        (Mac(array_at(self.bytes, TARGET_HARDWARE)), Ipv4Addr::from(array_at::<4>(self.bytes, TARGET_PROTOCOL)))
    }

    pub(crate) fn fields(self) -> Vec<Field> {
        let mut f = Fields::default();
        f.whole("hardware type", HARDWARE, u16_at(self.bytes, HARDWARE), "1 is Ethernet");
        f.whole("protocol type", PROTOCOL, format_args!("{:#06x}", u16_at(self.bytes, PROTOCOL)), "0x0800 is IPv4");
        f.whole("hardware address length", LENGTHS.start..5, self.bytes[4], "6 bytes for Ethernet");
        f.whole("protocol address length", 5..LENGTHS.end, self.bytes[5], "4 bytes for IPv4");
        let operation = match self.operation() {
            1 => "request: who has the target's address?",
            2 => "reply: the sender has it",
            _ => "unknown",
        };
        f.whole("opcode", OPERATION, self.operation(), operation);
        f.whole("sender hardware address", SENDER_HARDWARE, self.sender().0, "");
        f.whole("sender protocol address", SENDER_PROTOCOL, self.sender().1, "");
        f.whole(
            "target hardware address",
            TARGET_HARDWARE,
            self.target().0,
            "zeros in a request, because the sender does not know the address",
        );
        f.whole("target protocol address", TARGET_PROTOCOL, self.target().1, "");
        f.done()
    }
}

//! ARP for IPv4 over Ethernet (RFC 826).

use std::net::Ipv4Addr;
use std::ops::Range;

use super::bytes::{array_at, u16_at};
use super::{Field, HeaderError, Mac, fields::Fields};

/// Packet length with Ethernet and IPv4 addresses, in bytes.
pub(crate) const PACKET_LEN: usize = 28;

const HARDWARE_TYPE: Range<usize> = 0..2;
const PROTOCOL_TYPE: Range<usize> = 2..4;
const HARDWARE_LENGTH: Range<usize> = 4..5;
const PROTOCOL_LENGTH: Range<usize> = 5..6;
const OPERATION: Range<usize> = 6..8;
const SENDER_HARDWARE: Range<usize> = 8..14;
const SENDER_PROTOCOL: Range<usize> = 14..18;
const TARGET_HARDWARE: Range<usize> = 18..24;
const TARGET_PROTOCOL: Range<usize> = 24..28;

/// A view of an ARP packet. It assumes Ethernet and IPv4 addresses, and does not check the type fields.
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

    /// Hardware address and protocol address of the sender.
    pub(crate) fn sender(self) -> (Mac, Ipv4Addr) {
        (Mac(array_at(self.bytes, SENDER_HARDWARE)), Ipv4Addr::from(array_at::<4>(self.bytes, SENDER_PROTOCOL)))
    }

    /// Hardware address and protocol address of the target.
    pub(crate) fn target(self) -> (Mac, Ipv4Addr) {
        (Mac(array_at(self.bytes, TARGET_HARDWARE)), Ipv4Addr::from(array_at::<4>(self.bytes, TARGET_PROTOCOL)))
    }

    pub(crate) fn fields(self) -> Vec<Field> {
        let mut f = Fields::default();
        f.add("hardware type", HARDWARE_TYPE, u16_at(self.bytes, HARDWARE_TYPE), "1 is Ethernet");
        let protocol_type = format_args!("{:#06x}", u16_at(self.bytes, PROTOCOL_TYPE));
        f.add("protocol type", PROTOCOL_TYPE, protocol_type, "0x0800 is IPv4");
        let hardware_length = self.bytes[HARDWARE_LENGTH.start];
        f.add("hardware address length", HARDWARE_LENGTH, hardware_length, "6 bytes for Ethernet");
        let protocol_length = self.bytes[PROTOCOL_LENGTH.start];
        f.add("protocol address length", PROTOCOL_LENGTH, protocol_length, "4 bytes for IPv4");
        let operation_meaning = match self.operation() {
            1 => "request: who has the target's address?",
            2 => "reply: the sender has the address",
            _ => "unknown",
        };
        f.add("opcode", OPERATION, self.operation(), operation_meaning);
        f.add("sender hardware address", SENDER_HARDWARE, self.sender().0, "");
        f.add("sender protocol address", SENDER_PROTOCOL, self.sender().1, "");
        f.add(
            "target hardware address",
            TARGET_HARDWARE,
            self.target().0,
            "zeros in a request, because the sender does not know the address",
        );
        f.add("target protocol address", TARGET_PROTOCOL, self.target().1, "");
        f.into_vec()
    }
}

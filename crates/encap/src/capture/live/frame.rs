//! Rebuilds a frame from the ring as it was on the wire.

use super::ring::RingFrame;
use crate::time::Timestamp;
use crate::wire::{EtherType, LinkType, sll2};

/// A captured frame. It borrows the ring until the next call of
/// [`LiveCapture::next_frame`](super::LiveCapture::next_frame).
#[derive(Clone, Copy, Debug)]
pub struct LiveFrame<'a> {
    /// Kernel timestamp.
    pub time: Timestamp,
    /// The captured bytes.
    pub captured: &'a [u8],
    /// Length on the wire, in bytes.
    pub original_len: u32,
    /// Whether the transport checksum was left to the network card. It then covers only the pseudo header, which is not
    /// an error.
    pub checksum_offloaded: bool,
}

/// Offset of an 802.1Q tag in an Ethernet frame: after both addresses (IEEE 802.1Q §9.3).
const TAG_AT: usize = 12;

/// Tag protocol identifier (TPID) of a tag for which the kernel reports none.
const DEFAULT_TPID: u16 = 0x8100;

/// How an interface's frames begin.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Framing {
    /// An Ethernet header, unchanged.
    Ethernet,
    /// Another link header, which the kernel strips; a cooked header replaces it.
    Cooked,
}

impl Framing {
    pub(super) const fn link_type(self) -> LinkType {
        match self {
            Self::Ethernet => LinkType::ETHERNET,
            Self::Cooked => LinkType::LINUX_SLL2,
        }
    }

    /// Returns the frame: borrowed from the ring if unchanged, otherwise built in `scratch`.
    pub(super) fn frame<'a>(self, raw: &RingFrame<'a>, snap_len: u32, scratch: &'a mut Vec<u8>) -> LiveFrame<'a> {
        let live_frame = |captured, added_len: usize| LiveFrame {
            time: raw.time,
            captured,
            original_len: raw.original_len.saturating_add(u32::try_from(added_len).unwrap_or(u32::MAX)),
            checksum_offloaded: raw.checksum_offloaded,
        };
        scratch.clear();
        match (self, raw.tag) {
            (Self::Ethernet, None) => return live_frame(raw.bytes, 0),
            (Self::Ethernet, Some(tag)) => {
                let (addresses, rest) = raw.bytes.split_at(raw.bytes.len().min(TAG_AT));
                scratch.extend_from_slice(addresses);
                scratch.extend_from_slice(&tag.bytes());
                scratch.extend_from_slice(rest);
            }
            (Self::Cooked, tag) => {
                scratch.extend_from_slice(&cooked_header(raw));
                if let Some(tag) = tag {
                    // The cooked header begins with the protocol of its payload, which is now the tag.
                    scratch[..2].copy_from_slice(&tag.tpid().to_be_bytes());
                    scratch.extend_from_slice(&tag.control.to_be_bytes());
                    scratch.extend_from_slice(&raw.protocol.to_be_bytes());
                }
                scratch.extend_from_slice(raw.bytes);
            }
        }
        let added_len = scratch.len() - raw.bytes.len();
        scratch.truncate(snap_len as usize);
        live_frame(scratch, added_len)
    }
}

/// An 802.1Q tag that the kernel stripped from a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct StrippedTag {
    /// Tag protocol identifier, if the kernel reports one.
    pub(super) protocol: Option<u16>,
    /// Priority, drop eligible indicator, and VLAN ID.
    pub(super) control: u16,
}

impl StrippedTag {
    fn tpid(self) -> u16 {
        self.protocol.unwrap_or(DEFAULT_TPID)
    }

    fn bytes(self) -> [u8; 4] {
        let ([a, b], [c, d]) = (self.tpid().to_be_bytes(), self.control.to_be_bytes());
        [a, b, c, d]
    }
}

/// The cooked header, version 2, of a frame whose link header the kernel stripped.
fn cooked_header(raw: &RingFrame<'_>) -> [u8; sll2::HEADER_LEN] {
    let mut header = [0; sll2::HEADER_LEN];
    let repr = sll2::Repr {
        ether_type: EtherType(raw.protocol),
        interface_index: raw.interface_index,
        interface_type: raw.hardware_type,
        packet_type: raw.packet_type,
        address_length: raw.address_len,
        address: raw.address,
    };
    repr.emit(&mut header);
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring_frame(bytes: &[u8], tag: Option<StrippedTag>) -> RingFrame<'_> {
        RingFrame {
            time: Timestamp::from_nanos(1),
            bytes,
            original_len: 60,
            checksum_offloaded: true,
            tag,
            protocol: 0x0800,
            interface_index: 7,
            hardware_type: 65534,
            packet_type: 4,
            address_len: 2,
            address: [0xa1, 0xa2, 0, 0, 0, 0, 0, 0],
        }
    }

    #[test]
    fn stripped_tag_is_reinserted() {
        let frame = [[1; 6], [2; 6], [8, 0, 0x45, 3, 3, 3]].concat();
        let mut scratch = Vec::new();
        let live_frame = Framing::Ethernet.frame(&ring_frame(&frame, None), 18, &mut scratch);
        assert_eq!((live_frame.captured, live_frame.original_len), (&frame[..], 60));
        for (protocol, tpid) in [(None, [0x81, 0]), (Some(0x88a8), [0x88, 0xa8])] {
            let tag = StrippedTag { protocol, control: 0x2005 };
            let live_frame = Framing::Ethernet.frame(&ring_frame(&frame, Some(tag)), 18, &mut scratch);
            assert_eq!(live_frame.captured, [&[1; 6][..], &[2; 6], &tpid, &[0x20, 5], &[8, 0]].concat());
            assert_eq!(live_frame.original_len, 64);
            assert!(live_frame.checksum_offloaded);
        }
    }

    #[test]
    fn cooked_header_holds_the_kernel_values() {
        let mut scratch = Vec::new();
        let header = |protocol: [u8; 2]| {
            [&protocol[..], &[0, 0, 0, 0, 0, 7, 0xff, 0xfe, 4, 2, 0xa1, 0xa2, 0, 0, 0, 0, 0, 0]].concat()
        };
        let live_frame = Framing::Cooked.frame(&ring_frame(&[0x45], None), 100, &mut scratch);
        assert_eq!(live_frame.captured, [&header([8, 0])[..], &[0x45]].concat());
        assert_eq!(live_frame.original_len, 80);
        let tag = StrippedTag { protocol: None, control: 5 };
        let live_frame = Framing::Cooked.frame(&ring_frame(&[0x45], Some(tag)), 100, &mut scratch);
        assert_eq!(live_frame.captured, [&header([0x81, 0])[..], &[0, 5, 8, 0, 0x45]].concat());
    }
}

//! Reassembly of IP packets from their fragments (RFC 791 §3.2, RFC 8200 §4.5).
//!
//! Fragments of one packet have the same addresses and identification. A copy of known bytes is ignored. If two
//! fragments overlap in any other way, one is forged or two packets are mixed up. Such a packet is dropped, with all
//! its later fragments (RFC 5722, RFC 8200 §4.5). A packet is also dropped if it is incomplete after
//! [`FRAGMENTS_MAX_SECS`], or if it is the oldest one and too many packets are incomplete. Dropped fragments are
//! counted.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use super::checksums::Checksums;
use super::limits::{FRAGMENTED_MAX_BYTES, FRAGMENTED_MAX_PACKETS, FRAGMENTS_MAX_SECS};
use super::totals::Amount;
use crate::time::Timestamp;
use crate::wire::frame::{Frame, LayerKind, VerifiedChecksums};
use crate::wire::{IpProtocol, ipv4, ipv6};

/// Packets in reassembly.
#[derive(Debug, Default)]
pub(super) struct FragmentReassembler {
    /// Incomplete packets, the oldest first.
    packets: VecDeque<PartialPacket>,
    /// Memory of all packets, in bytes.
    memory_bytes: usize,
    dropped: DroppedFragments,
}

/// Fragments of packets that were not completed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DroppedFragments {
    pub(super) fragments: Amount,
    pub(super) checksums: Checksums,
}

impl DroppedFragments {
    fn add(&mut self, fragments: Amount, checksums: Checksums) {
        self.fragments += fragments;
        self.checksums += checksums;
        // The transport's checksum covers the whole packet, so it cannot be verified.
        self.checksums.uncheckable += 1;
    }
}

/// A complete packet.
#[derive(Debug)]
pub(super) struct ReassembledPacket {
    /// The packet as it was before fragmentation. Only the header's checksum is not recalculated.
    pub(super) bytes: Vec<u8>,
    /// Number and total length of the frames that carried the fragments.
    pub(super) fragments: Amount,
    /// Checksums of the fragments' headers.
    pub(super) checksums: Checksums,
}

/// The fields that are equal in all fragments of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct FragmentKey {
    source: IpAddr,
    destination: IpAddr,
    /// `None` in IPv6, where only the protocol of the first fragment is valid (RFC 8200 §4.5).
    protocol: Option<IpProtocol>,
    identification: u32,
}

/// A fragment of a packet.
#[derive(Clone, Copy, Debug)]
struct IpFragment<'a> {
    key: FragmentKey,
    offset: u32,
    is_last: bool,
    /// The headers before the data, without the fragment header of IPv6. Their length field is that of the fragment.
    header: &'a [u8],
    /// Offset of the next-header field in `header`, and its value in the complete packet.
    next_header: (usize, IpProtocol),
    data: &'a [u8],
}

impl<'a> IpFragment<'a> {
    /// The fragment in a frame; `None` if the frame has no fragment or was cut off.
    fn from_frame(frame: &Frame<'a>) -> Option<Self> {
        let (source, destination) = frame.addresses()?;
        if let Some(packet) = frame.ipv4() {
            let (header, data) = (packet.header(), packet.payload());
            let protocol = packet.protocol();
            (usize::from(packet.total_len()) == header.len() + data.len()).then_some(Self {
                key: FragmentKey {
                    source,
                    destination,
                    protocol: Some(protocol),
                    identification: packet.identification().into(),
                },
                offset: packet.fragment_offset(),
                is_last: !packet.more_fragments(),
                header,
                next_header: (ipv4::PROTOCOL.start, protocol),
                data,
            })
        } else {
            let packet = frame.ipv6()?;
            let layers = frame.layers();
            let fragment_at = layers.iter().position(|layer| layer.kind == LayerKind::Fragment)?;
            let [.., previous, layer] = &layers[..=fragment_at] else { return None };
            let extension =
                ipv6::Extension::new_checked(ipv6::ExtensionKind::Fragment, frame.layer_bytes(layer)).ok()?;
            let start = layers.iter().find(|layer| layer.kind == LayerKind::Ipv6)?.start;
            let len = ipv6::HEADER_LEN + packet.payload().len();
            let packet_bytes = frame.bytes().get(start as usize..start as usize + len)?;
            let next_header_at = if previous.kind == LayerKind::Ipv6 {
                ipv6::NEXT_HEADER.start
            } else {
                (previous.start - start) as usize
            };
            let (offset, has_more) = extension.fragment()?;
            (usize::from(packet.payload_len()) == packet.payload().len()).then_some(Self {
                key: FragmentKey { source, destination, protocol: None, identification: extension.identification()? },
                offset,
                is_last: !has_more,
                header: &packet_bytes[..(layer.start - start) as usize],
                next_header: (next_header_at, extension.next_header()),
                data: &packet_bytes[(layer.end - start) as usize..],
            })
        }
    }

    /// The range of the fragment's data in the data of the packet.
    fn range(&self) -> Range<usize> {
        self.offset as usize..self.offset as usize + self.data.len()
    }
}

/// A packet in reassembly.
#[derive(Debug)]
struct PartialPacket {
    key: FragmentKey,
    /// Time of the first captured fragment.
    since: Option<Timestamp>,
    /// The headers of the fragment with offset 0; empty until it arrives.
    header: Vec<u8>,
    data: Vec<u8>,
    /// The received ranges of `data`, in order, with gaps between them.
    received: Vec<Range<usize>>,
    /// Length of the complete data; `None` until the last fragment arrives.
    len: Option<usize>,
    /// Whether two fragments contradict each other.
    is_contradictory: bool,
    /// Number and total length of the frames that carried the fragments.
    fragments: Amount,
    /// Checksums of the fragments' headers.
    checksums: Checksums,
}

impl PartialPacket {
    fn new(key: FragmentKey, since: Option<Timestamp>) -> Self {
        Self {
            key,
            since,
            header: Vec::new(),
            data: Vec::new(),
            received: Vec::new(),
            len: None,
            is_contradictory: false,
            fragments: Amount::default(),
            checksums: Checksums::default(),
        }
    }

    fn memory_bytes(&self) -> usize {
        let received = self.received.capacity() * size_of::<Range<usize>>();
        size_of::<Self>() + self.header.capacity() + self.data.capacity() + received
    }

    /// Adds a fragment. Returns whether it agrees with the earlier ones.
    fn add(&mut self, fragment: &IpFragment<'_>) -> bool {
        let range = fragment.range();
        let data_end = if fragment.is_last { Some(range.end) } else { None };
        let agrees = match (self.len, data_end) {
            (Some(len), Some(end)) => end == len,
            (Some(len), None) => range.end <= len,
            (None, Some(end)) => self.data.len() <= end,
            (None, None) => true,
        };
        if !agrees {
            return false;
        }
        let index = self.received.partition_point(|known| known.end <= range.start);
        if let Some(known) = self.received.get(index).filter(|known| known.start < range.end) {
            // An overlap is valid only if it repeats known bytes.
            return known.start <= range.start && range.end <= known.end && self.data[range] == *fragment.data;
        }
        self.len = self.len.or(data_end);
        if self.data.len() < range.end {
            self.data.resize(range.end, 0);
        }
        self.data[range.clone()].copy_from_slice(fragment.data);
        let touches_next = self.received.get(index).is_some_and(|next| next.start == range.end);
        match index.checked_sub(1).filter(|before| self.received[*before].end == range.start) {
            Some(before) if touches_next => self.received[before].end = self.received.remove(index).end,
            Some(before) => self.received[before].end = range.end,
            None if touches_next => self.received[index].start = range.start,
            None => self.received.insert(index, range),
        }
        if fragment.offset == 0 {
            let (next_header_at, next_header) = fragment.next_header;
            self.header = fragment.header.to_vec();
            self.header[next_header_at] = next_header.0;
        }
        true
    }

    fn is_complete(&self) -> bool {
        !self.header.is_empty() && self.len.is_some_and(|len| self.received.first() == Some(&(0..len)))
    }

    /// The complete packet; `None` if it is too long for the length field of its header.
    fn finish(mut self) -> Option<ReassembledPacket> {
        let mut bytes = self.header;
        if bytes[0] >> 4 == 4 {
            let total_len = u16::try_from(bytes.len() + self.data.len()).ok()?;
            ipv4::unfragment(&mut bytes, total_len);
        } else {
            let payload_len = u16::try_from(bytes.len() - ipv6::HEADER_LEN + self.data.len()).ok()?;
            bytes[ipv6::PAYLOAD_LENGTH].copy_from_slice(&payload_len.to_be_bytes());
        }
        bytes.append(&mut self.data);
        Some(ReassembledPacket { bytes, fragments: self.fragments, checksums: self.checksums })
    }
}

impl FragmentReassembler {
    /// Adds the fragment in a frame. Returns the packet that it completes.
    pub(super) fn add(&mut self, frame: &Frame<'_>, now: Option<Timestamp>) -> Option<ReassembledPacket> {
        let amount = Amount { packets: 1, bytes: frame.original_len().into() };
        let mut checksums = Checksums::default();
        checksums.add(VerifiedChecksums { transport: None, ..frame.verify() });
        let is_usable = |fragment: &IpFragment<'_>| {
            // All fragments but the last carry a multiple of 8 bytes.
            let has_valid_len = fragment.is_last || fragment.data.len().is_multiple_of(8);
            !fragment.data.is_empty() && has_valid_len && u16::try_from(fragment.range().end).is_ok()
        };
        let Some(fragment) = IpFragment::from_frame(frame).filter(is_usable) else {
            self.dropped.add(amount, checksums);
            return None;
        };
        let mut known_index = self.packets.iter().position(|packet| packet.key == fragment.key);
        if let Some(index) = known_index.filter(|&index| is_expired(self.packets[index].since, now)) {
            self.drop_packet(index);
            known_index = None;
        }
        let index = known_index.unwrap_or_else(|| {
            self.packets.push_back(PartialPacket::new(fragment.key, now));
            self.memory_bytes += self.packets[self.packets.len() - 1].memory_bytes();
            self.packets.len() - 1
        });
        let packet = &mut self.packets[index];
        packet.fragments += amount;
        packet.checksums += checksums;
        if packet.is_contradictory {
            return None;
        }
        let bytes_before = packet.memory_bytes();
        if !packet.add(&fragment) {
            packet.is_contradictory = true;
            (packet.header, packet.data, packet.received) = (Vec::new(), Vec::new(), Vec::new());
        }
        self.memory_bytes = self.memory_bytes - bytes_before + packet.memory_bytes();
        if packet.is_complete() {
            let packet = self.packets.remove(index)?;
            self.memory_bytes -= packet.memory_bytes();
            let (fragments, checksums) = (packet.fragments, packet.checksums);
            let reassembled = packet.finish();
            if reassembled.is_none() {
                self.dropped.add(fragments, checksums);
            }
            return reassembled;
        }
        while self.memory_bytes > FRAGMENTED_MAX_BYTES || self.packets.len() > FRAGMENTED_MAX_PACKETS {
            self.drop_packet(0);
        }
        None
    }

    fn drop_packet(&mut self, index: usize) {
        if let Some(packet) = self.packets.remove(index) {
            self.memory_bytes -= packet.memory_bytes();
            self.dropped.add(packet.fragments, packet.checksums);
        }
    }

    /// Drops the incomplete packets. Returns the sums over all dropped fragments.
    pub(super) fn finish(mut self) -> DroppedFragments {
        while !self.packets.is_empty() {
            self.drop_packet(0);
        }
        self.dropped
    }
}

/// Whether a packet whose first fragment was captured at `since` has been incomplete for too long.
fn is_expired(since: Option<Timestamp>, now: Option<Timestamp>) -> bool {
    let waited = now.zip(since).and_then(|(now, since)| now.since(since));
    waited.is_some_and(|waited| waited > Duration::from_secs(FRAGMENTS_MAX_SECS))
}

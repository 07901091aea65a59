//! IP packets put together from their fragments (RFC 791 §3.2, RFC 8200 §4.5).
//!
//! Fragments of one packet have its addresses and its identification in common. Where two of them overlap with different
//! bytes, somebody cheats or two packets are mixed up: such a packet is given up, with what is still to come of it (RFC 5722,
//! RFC 8200 §4.5). A copy of what is there changes nothing. The oldest packet is given up when there are too many, and one of
//! which something is missing for [`FRAGMENTS_MAX_SECS`]. What was given up is counted.

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

/// The packets under way.
#[derive(Debug, Default)]
pub(super) struct FragmentReassembler {
    /// The oldest first.
    packets: VecDeque<PartialPacket>,
    /// What they take, in bytes of memory.
    bytes: usize,
    given_up: DroppedFragments,
}

/// Fragments that made no whole packet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DroppedFragments {
    pub(super) fragments: Amount,
    pub(super) checksums: Checksums,
}

impl DroppedFragments {
    fn add(&mut self, fragments: Amount, checksums: Checksums) {
        self.fragments += fragments;
        self.checksums += checksums;
        // The one of the transport, which spans the packet.
        self.checksums.uncheckable += 1;
    }
}

/// A packet that is whole.
#[derive(Debug)]
pub(super) struct ReassembledPacket {
    /// Its header as if it had not been cut, and all that it carries; the header's checksum is not worked anew.
    pub(super) bytes: Vec<u8>,
    /// The frames that brought it.
    pub(super) fragments: Amount,
    /// The checksums of their headers.
    pub(super) checksums: Checksums,
}

/// What fragments of one packet have in common.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct FragmentKey {
    source: IpAddr,
    destination: IpAddr,
    /// Of IPv4 alone: in IPv6, only the first fragment tells.
    protocol: Option<IpProtocol>,
    identification: u32,
}

/// A fragment: what it has of which packet.
#[derive(Clone, Copy, Debug)]
struct IpFragment<'a> {
    key: FragmentKey,
    offset: u32,
    is_last: bool,
    /// What comes before the data in the whole packet; the length is that of the fragment.
    header: &'a [u8],
    /// Where `header` says what comes after it, and what that is.
    next_header: (usize, IpProtocol),
    data: &'a [u8],
}

impl<'a> IpFragment<'a> {
    /// The fragment that a frame holds, if all of it was captured.
    fn of(frame: &Frame<'a>) -> Option<Self> {
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
            let at = layers.iter().position(|layer| layer.kind == LayerKind::Fragment)?;
            let [.., before, layer] = &layers[..=at] else { return None };
            let extension =
                ipv6::Extension::new_checked(ipv6::ExtensionKind::Fragment, frame.layer_bytes(layer)).ok()?;
            let start = layers.iter().find(|layer| layer.kind == LayerKind::Ipv6)?.start;
            let len = ipv6::HEADER_LEN + packet.payload().len();
            let all = frame.bytes().get(start as usize..start as usize + len)?;
            let next_header_at =
                if before.kind == LayerKind::Ipv6 { ipv6::NEXT_HEADER.start } else { (before.start - start) as usize };
            let (offset, more) = extension.fragment()?;
            (usize::from(packet.payload_len()) == packet.payload().len()).then_some(Self {
                key: FragmentKey { source, destination, protocol: None, identification: extension.identification()? },
                offset,
                is_last: !more,
                header: &all[..(layer.start - start) as usize],
                next_header: (next_header_at, extension.next_header()),
                data: &all[(layer.end - start) as usize..],
            })
        }
    }

    fn range(&self) -> Range<usize> {
        self.offset as usize..self.offset as usize + self.data.len()
    }
}

/// A packet under way.
#[derive(Debug)]
struct PartialPacket {
    key: FragmentKey,
    since: Option<Timestamp>,
    /// Of the first fragment, once that came.
    header: Vec<u8>,
    data: Vec<u8>,
    /// What of `data` is there, in order, none touching the next.
    there: Vec<Range<usize>>,
    /// How long the data is, once the last fragment came.
    len: Option<usize>,
    /// Two fragments contradict each other: whatever comes is not used.
    is_contradictory: bool,
    fragments: Amount,
    checksums: Checksums,
}

impl PartialPacket {
    fn new(key: FragmentKey, since: Option<Timestamp>) -> Self {
        Self {
            key,
            since,
            header: Vec::new(),
            data: Vec::new(),
            there: Vec::new(),
            len: None,
            is_contradictory: false,
            fragments: Amount::default(),
            checksums: Checksums::default(),
        }
    }

    /// What it takes, in bytes of memory.
    fn weight(&self) -> usize {
        let there = self.there.capacity() * size_of::<Range<usize>>();
        size_of::<Self>() + self.header.capacity() + self.data.capacity() + there
    }

    /// Takes a fragment's data, and says whether it agrees with what is there.
    fn take(&mut self, fragment: &IpFragment<'_>) -> bool {
        let range = fragment.range();
        let ends = if fragment.is_last { Some(range.end) } else { None };
        let agrees = match (self.len, ends) {
            (Some(len), Some(end)) => end == len,
            (Some(len), None) => range.end <= len,
            (None, Some(end)) => self.data.len() <= end,
            (None, None) => true,
        };
        if !agrees {
            return false;
        }
        let at = self.there.partition_point(|there| there.end <= range.start);
        if let Some(there) = self.there.get(at).filter(|there| there.start < range.end) {
            return there.start <= range.start && range.end <= there.end && self.data[range] == *fragment.data;
        }
        self.len = self.len.or(ends);
        if self.data.len() < range.end {
            self.data.resize(range.end, 0);
        }
        self.data[range.clone()].copy_from_slice(fragment.data);
        let touches_next = self.there.get(at).is_some_and(|next| next.start == range.end);
        match at.checked_sub(1).filter(|before| self.there[*before].end == range.start) {
            Some(before) if touches_next => self.there[before].end = self.there.remove(at).end,
            Some(before) => self.there[before].end = range.end,
            None if touches_next => self.there[at].start = range.start,
            None => self.there.insert(at, range),
        }
        if fragment.offset == 0 {
            let (next_header_at, next_header) = fragment.next_header;
            self.header = fragment.header.to_vec();
            self.header[next_header_at] = next_header.0;
        }
        true
    }

    fn is_whole(&self) -> bool {
        !self.header.is_empty() && self.len.is_some_and(|len| self.there.first() == Some(&(0..len)))
    }

    /// The whole, if it is no longer than a packet may be.
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
    /// Takes a frame that holds a fragment, and gives the packet that is whole by it.
    pub(super) fn add(&mut self, frame: &Frame<'_>, now: Option<Timestamp>) -> Option<ReassembledPacket> {
        let amount = Amount { packets: 1, bytes: frame.original_len().into() };
        let mut checksums = Checksums::default();
        checksums.add(VerifiedChecksums { transport: None, ..frame.verify() });
        let is_usable = |fragment: &IpFragment<'_>| {
            let can_go_on = fragment.is_last || fragment.data.len().is_multiple_of(8);
            !fragment.data.is_empty() && can_go_on && u16::try_from(fragment.range().end).is_ok()
        };
        let Some(fragment) = IpFragment::of(frame).filter(is_usable) else {
            self.given_up.add(amount, checksums);
            return None;
        };
        let mut known = self.packets.iter().position(|packet| packet.key == fragment.key);
        if let Some(at) = known.filter(|&at| is_over(self.packets[at].since, now)) {
            self.give_up(at);
            known = None;
        }
        let at = known.unwrap_or_else(|| {
            self.packets.push_back(PartialPacket::new(fragment.key, now));
            self.bytes += self.packets[self.packets.len() - 1].weight();
            self.packets.len() - 1
        });
        let packet = &mut self.packets[at];
        packet.fragments += amount;
        packet.checksums += checksums;
        if packet.is_contradictory {
            return None;
        }
        let weight = packet.weight();
        if !packet.take(&fragment) {
            packet.is_contradictory = true;
            (packet.header, packet.data, packet.there) = (Vec::new(), Vec::new(), Vec::new());
        }
        self.bytes = self.bytes - weight + packet.weight();
        if packet.is_whole() {
            let packet = self.packets.remove(at)?;
            self.bytes -= packet.weight();
            let (fragments, checksums) = (packet.fragments, packet.checksums);
            let whole = packet.finish();
            if whole.is_none() {
                self.given_up.add(fragments, checksums);
            }
            return whole;
        }
        while self.bytes > FRAGMENTED_MAX_BYTES || self.packets.len() > FRAGMENTED_MAX_PACKETS {
            self.give_up(0);
        }
        None
    }

    fn give_up(&mut self, at: usize) {
        if let Some(packet) = self.packets.remove(at) {
            self.bytes -= packet.weight();
            self.given_up.add(packet.fragments, packet.checksums);
        }
    }

    /// No more comes: all fragments that made no whole packet.
    pub(super) fn finish(mut self) -> DroppedFragments {
        while !self.packets.is_empty() {
            self.give_up(0);
        }
        self.given_up
    }
}

/// Whether what began then has waited for too long by now.
fn is_over(since: Option<Timestamp>, now: Option<Timestamp>) -> bool {
    let waited = now.zip(since).and_then(|(now, since)| now.since(since));
    waited.is_some_and(|waited| waited > Duration::from_secs(FRAGMENTS_MAX_SECS))
}

//! The analyzer: packets go in, tracked frames and conversations come out.

use std::net::SocketAddr;

use super::checksums::Checksums;
use super::conversation::{Conversation, FrameStamp};
use super::conversation_table::{ConversationTable, Opening};
use super::endpoint::Transport;
use super::focus::Focus;
use super::fragment_reassembler::{FragmentReassembler, ReassembledPacket};
use super::issues;
use super::limits::LIVE_MAX_BYTES;
use super::totals::{Amount, Totals};
use super::tracked_segment::TrackedFrame;
use crate::capture::CapturedPacket;
use crate::time::Timestamp;
use crate::wire::frame::{FragmentPosition, VerifiedChecksums};
use crate::wire::tcp::Flags;
use crate::wire::{Frame, LinkType};

/// Takes a capture packet by packet.
#[derive(Debug)]
pub struct Analyzer {
    /// All of them have to hold.
    focus: Vec<Focus>,
    pub(super) table: ConversationTable,
    reassembly: FragmentReassembler,
    /// The packet that the last fragment made whole.
    whole: Option<Vec<u8>>,
    totals: Totals,
}

/// What takes a conversation that is over.
pub type ConversationSink<'a> = dyn FnMut(Conversation) + 'a;

impl Default for Analyzer {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Analyzer {
    /// An analysis of the conversations for which each of `focus` holds.
    #[must_use]
    pub fn new(focus: Vec<Focus>) -> Self {
        Self {
            focus,
            table: ConversationTable::new(LIVE_MAX_BYTES),
            reassembly: FragmentReassembler::default(),
            whole: None,
            totals: Totals::default(),
        }
    }

    /// Takes the next packet, and hands out the conversations that are over by it.
    pub fn packet(&mut self, packet: &CapturedPacket<'_>, sink: &mut ConversationSink<'_>) -> Option<TrackedFrame> {
        let frame = Frame::parse(packet.link_type, packet.captured, packet.original_len);
        self.frame(packet.number, packet.time, &frame, sink)
    }

    /// Takes the next frame, taken apart already. Says which conversation it belongs to, if any that is in focus; of a
    /// fragment, only if a packet is whole by it.
    pub fn frame(
        &mut self,
        number: u64,
        time: Option<Timestamp>,
        frame: &Frame<'_>,
        sink: &mut ConversationSink<'_>,
    ) -> Option<TrackedFrame> {
        let totals = &mut self.totals;
        totals.packets += 1;
        totals.bytes += u64::from(frame.original_len());
        if let Some(time) = time {
            totals.first = Some(totals.first.map_or(time, |first| first.min(time)));
            totals.last = Some(totals.last.map_or(time, |last| last.max(time)));
        }
        for issue in frame.issues() {
            issues::add(&mut totals.issues, number, &issue);
        }
        let at = FrameStamp { frame: number, time };
        if frame.fragment() == FragmentPosition::Whole {
            self.packet_of(at, frame, None, sink)
        } else {
            self.fragment(at, frame, sink)
        }
    }

    /// Takes a fragment.
    #[cold]
    fn fragment(&mut self, at: FrameStamp, frame: &Frame<'_>, sink: &mut ConversationSink<'_>) -> Option<TrackedFrame> {
        self.whole = None;
        let whole = self.reassembly.add(frame, at.time)?;
        let packet = whole_packet(&whole.bytes);
        for issue in packet.issues() {
            issues::add(&mut self.totals.issues, at.frame, &issue);
        }
        let tracked = self.packet_of(at, &packet, Some(&whole), sink);
        self.whole = Some(whole.bytes);
        tracked
    }

    /// The packet that `frame` brought, which was taken last: itself, or that of the fragments that are whole by it.
    pub(crate) fn whole<'a>(&'a self, frame: Frame<'a>) -> Option<Frame<'a>> {
        match frame.fragment() {
            FragmentPosition::Whole => Some(frame),
            _ => self.whole.as_deref().map(whole_packet),
        }
    }

    /// Takes a whole packet: a frame's, or that of the fragments that the last one made `whole`.
    fn packet_of(
        &mut self,
        at: FrameStamp,
        frame: &Frame<'_>,
        whole: Option<&ReassembledPacket>,
        sink: &mut ConversationSink<'_>,
    ) -> Option<TrackedFrame> {
        let amount = whole.map_or(Amount { packets: 1, bytes: frame.original_len().into() }, |whole| whole.fragments);
        let checksums = || match whole {
            None => Checksums::of(frame.verify()),
            Some(whole) => {
                let mut checksums = Checksums::of(VerifiedChecksums { network: None, ..frame.verify() });
                checksums += whole.checksums;
                checksums
            }
        };
        let len = frame.payload_len_on_wire();
        let addresses = frame.addresses();
        if let (Some((from, to)), Some(segment)) = (addresses, frame.tcp()) {
            let (from, to) =
                (SocketAddr::new(from, segment.source_port()), SocketAddr::new(to, segment.destination_port()));
            if !self.is_in_focus(Transport::Tcp, from, to) {
                self.totals.out_of_focus += amount;
                return None;
            }
            let flags = segment.flags();
            let opening = match (flags.contains(Flags::SYN), flags.contains(Flags::ACK)) {
                (true, false) => Opening::Client(segment.seq()),
                (true, true) => Opening::Server,
                (false, _) => Opening::No,
            };
            let (live, reused) = self.table.find(Transport::Tcp, from, to, opening, at, sink);
            let checksums = checksums();
            live.checksums += checksums;
            self.totals.checksums += checksums;
            let sender = live.sender(from);
            let segment = live.segment(at, sender.side, &segment, len, reused);
            self.table.settle(sink);
            Some(TrackedFrame { sender, segment: Some(segment) })
        } else if let (Some((from, to)), Some(datagram)) = (addresses, frame.udp()) {
            let (from, to) =
                (SocketAddr::new(from, datagram.source_port()), SocketAddr::new(to, datagram.destination_port()));
            if !self.is_in_focus(Transport::Udp, from, to) {
                self.totals.out_of_focus += amount;
                return None;
            }
            let (live, _) = self.table.find(Transport::Udp, from, to, Opening::No, at, sink);
            let checksums = checksums();
            live.checksums += checksums;
            self.totals.checksums += checksums;
            let sender = live.sender(from);
            live.datagram(at, sender.side, len);
            Some(TrackedFrame { sender, segment: None })
        } else {
            self.totals.no_conversation += amount;
            self.totals.checksums += checksums();
            None
        }
    }

    /// Hands out the conversations that are left, in the order of their first frames, and what there was as a whole.
    pub fn finish(mut self, sink: &mut ConversationSink<'_>) -> Totals {
        let given_up = self.reassembly.finish();
        self.totals.no_conversation += given_up.fragments;
        self.totals.fragments = given_up.fragments;
        self.totals.checksums += given_up.checksums;
        self.totals.conversations = self.table.opened();
        self.totals.retired = self.table.retired();
        self.table.finish(sink);
        self.totals
    }

    fn is_in_focus(&self, transport: Transport, a: SocketAddr, b: SocketAddr) -> bool {
        self.focus.iter().all(|focus| focus.holds(transport, a, b))
    }
}

/// A packet that was put together from fragments, taken apart.
fn whole_packet(bytes: &[u8]) -> Frame<'_> {
    Frame::parse(LinkType::RAW, bytes, u32::try_from(bytes.len()).unwrap_or(u32::MAX))
}

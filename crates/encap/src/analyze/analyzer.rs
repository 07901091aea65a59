//! The analyzer: packets go in, tracked frames and conversations come out.

use std::net::SocketAddr;

use super::checksums::Checksums;
use super::conversation::Conversation;
use super::conversation_table::{ConversationTable, Opening};
use super::endpoint::Transport;
use super::focus::Focus;
use super::fragment_reassembler::{FragmentReassembler, ReassembledPacket};
use super::issues;
use super::limits::LIVE_MAX_BYTES;
use super::live_conversation::FrameStamp;
use super::totals::{Amount, Totals};
use super::tracked_segment::TrackedFrame;
use crate::capture::CapturedPacket;
use crate::time::Timestamp;
use crate::wire::frame::{FragmentPosition, VerifiedChecksums};
use crate::wire::{Frame, LinkType};

/// Analyses a capture packet by packet.
#[derive(Debug)]
pub struct Analyzer {
    /// A conversation is in focus if all of these match.
    focus: Vec<Focus>,
    pub(super) table: ConversationTable,
    fragments: FragmentReassembler,
    /// The packet that the latest fragment completed; `None` if it completed none.
    reassembled: Option<Vec<u8>>,
    totals: Totals,
}

/// Receives each conversation when it is over.
pub type ConversationSink<'a> = dyn FnMut(Conversation) + 'a;

impl Default for Analyzer {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl Analyzer {
    /// Creates an analyzer for the conversations that match each of `focus`.
    #[must_use]
    pub fn new(focus: Vec<Focus>) -> Self {
        Self {
            focus,
            table: ConversationTable::new(LIVE_MAX_BYTES),
            fragments: FragmentReassembler::default(),
            reassembled: None,
            totals: Totals::default(),
        }
    }

    /// Parses and analyses the next packet. See [`Analyzer::frame`].
    pub fn packet(&mut self, packet: &CapturedPacket<'_>, sink: &mut ConversationSink<'_>) -> Option<TrackedFrame> {
        let frame = Frame::parse(packet.link_type, packet.captured, packet.original_len);
        self.frame(packet.number, packet.time, &frame, sink)
    }

    /// Analyses the next frame. `sink` receives the conversations that the frame closes.
    ///
    /// Returns `None` if the frame belongs to no conversation in focus, or is a fragment that does not complete a
    /// packet.
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
        let stamp = FrameStamp { frame: number, time };
        if frame.fragment() == FragmentPosition::Whole {
            self.analyze_packet(stamp, frame, None, sink)
        } else {
            self.analyze_fragment(stamp, frame, sink)
        }
    }

    /// Adds a fragment. If it completes a packet, analyses the packet.
    #[cold]
    fn analyze_fragment(
        &mut self,
        stamp: FrameStamp,
        frame: &Frame<'_>,
        sink: &mut ConversationSink<'_>,
    ) -> Option<TrackedFrame> {
        self.reassembled = None;
        let reassembled = self.fragments.add(frame, stamp.time)?;
        let packet = parse_reassembled(&reassembled.bytes);
        for issue in packet.issues() {
            issues::add(&mut self.totals.issues, stamp.frame, &issue);
        }
        let tracked = self.analyze_packet(stamp, &packet, Some(&reassembled), sink);
        self.reassembled = Some(reassembled.bytes);
        tracked
    }

    /// The whole packet of `frame`: `frame` itself, or the packet that it completed as a fragment. `None` for a
    /// fragment that completed no packet. `frame` must be the frame of the latest call of [`Analyzer::frame`].
    pub(crate) fn whole_packet<'a>(&'a self, frame: Frame<'a>) -> Option<Frame<'a>> {
        match frame.fragment() {
            FragmentPosition::Whole => Some(frame),
            _ => self.reassembled.as_deref().map(parse_reassembled),
        }
    }

    /// Analyses a whole packet: one frame, or a packet `reassembled` from several fragments.
    fn analyze_packet(
        &mut self,
        stamp: FrameStamp,
        frame: &Frame<'_>,
        reassembled: Option<&ReassembledPacket>,
        sink: &mut ConversationSink<'_>,
    ) -> Option<TrackedFrame> {
        let amount = reassembled
            .map_or(Amount { packets: 1, bytes: frame.original_len().into() }, |reassembled| reassembled.fragments);
        let verify = || match reassembled {
            None => Checksums::from_verified(frame.verify()),
            Some(reassembled) => {
                // The header's checksum was verified in each fragment. In the reassembled packet it is not
                // recalculated.
                let mut checksums = Checksums::from_verified(VerifiedChecksums { network: None, ..frame.verify() });
                checksums += reassembled.checksums;
                checksums
            }
        };
        let segment = frame.tcp();
        let ports = match &segment {
            Some(segment) => Some((Transport::Tcp, segment.source_port(), segment.destination_port())),
            None => frame.udp().map(|datagram| (Transport::Udp, datagram.source_port(), datagram.destination_port())),
        };
        let Some(((source, destination), (transport, source_port, destination_port))) = frame.addresses().zip(ports)
        else {
            self.totals.no_conversation += amount;
            self.totals.checksums += verify();
            return None;
        };
        let (from, to) = (SocketAddr::new(source, source_port), SocketAddr::new(destination, destination_port));
        if !self.focus.iter().all(|focus| focus.matches(transport, from, to)) {
            self.totals.out_of_focus += amount;
            return None;
        }
        let opening = segment.as_ref().map_or(Opening::None, Opening::from_segment);
        let (live, reuses_ports) = self.table.find(transport, from, to, opening, stamp, sink);
        let checksums = verify();
        live.checksums += checksums;
        self.totals.checksums += checksums;
        let (sender, len) = (live.sender(from), frame.payload_len_on_wire());
        let segment = if let Some(segment) = &segment {
            let tracked = live.track_segment(stamp, sender.side, segment, len, reuses_ports);
            self.table.after_segment(sink);
            Some(tracked)
        } else {
            live.count_datagram(stamp, sender.side, len);
            None
        };
        Some(TrackedFrame { sender, segment })
    }

    /// Closes the open conversations, in the order of their first frames. Returns the sums over the capture.
    pub fn finish(mut self, sink: &mut ConversationSink<'_>) -> Totals {
        let dropped = self.fragments.finish();
        self.totals.no_conversation += dropped.fragments;
        self.totals.fragments = dropped.fragments;
        self.totals.checksums += dropped.checksums;
        self.totals.conversations = self.table.opened();
        self.totals.retired = self.table.retired();
        self.table.finish(sink);
        self.totals
    }
}

/// Parses a reassembled packet. It has no link layer.
fn parse_reassembled(bytes: &[u8]) -> Frame<'_> {
    Frame::parse(LinkType::RAW, bytes, u32::try_from(bytes.len()).unwrap_or(u32::MAX))
}

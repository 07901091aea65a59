//! Analysis of a capture: its conversations, how each went, and the reason for each event that is reported.
//!
//! ```text
//! capture::CapturedPacket ─▶ wire::Frame ─▶ Analyzer ─┬─▶ TrackedFrame for each frame of a conversation
//!                                             └─▶ Conversation when one is over
//! ```
//!
//! The walk of one TCP segment:
//!
//! 1. [`Analyzer::frame`] puts IP fragments together, applies the focus, and finds the conversation by addresses and
//!    ports. A SYN with a new number closes the conversation that had the same ports and opens another.
//! 2. The conversation decides the cause of an RST, the state of the handshake, and keeps the first few events.
//! 3. The `DirectionState` of the sender is the one tracker of a TCP flow: it knows the initial sequence number, unwraps
//!    sequence and acknowledgment numbers, scales windows, and applies the rules of Wireshark's TCP analysis.
//! 4. The result is a [`TrackedSegment`]. [`Streams`], [`report`](crate::report), [`compare`](crate::compare) and
//!    [`send`](crate::send) take it from there and track nothing themselves.
//!
//! Memory follows the open conversations, not the length of the file: one that is over is handed out as a
//! [`Conversation`] and forgotten.
//!
//! ```
//! use switchboard_encap::analyze::{Analyzer, Handshake};
//! use switchboard_encap::capture::Reader;
//!
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/captures/csv_send_macos_lo0.pcapng");
//! let mut reader = Reader::new(std::fs::File::open(path)?)?;
//! let mut analyzer = Analyzer::new(Vec::new());
//! let mut conversations = Vec::new();
//! while let Some(packet) = reader.next_packet()? {
//!     analyzer.packet(&packet, &mut |conversation| conversations.push(conversation));
//! }
//! let totals = analyzer.finish(&mut |conversation| conversations.push(conversation));
//! assert_eq!(totals.packets, 18);
//! assert_eq!(conversations[0].handshake, Handshake::Complete);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod chat;
mod checksums;
mod conversation;
mod coverage;
mod direction;
mod endpoint;
mod event;
mod focus;
mod issues;
mod limits;
mod reassembly;
mod round_trip;
mod stream;
mod streams;
mod table;
mod tracked_segment;

use std::net::SocketAddr;
use std::ops::AddAssign;

pub use crate::side::Side;
pub use checksums::Checksums;
pub use conversation::{Conversation, Direction, End, Handshake};
pub use endpoint::Transport;
pub use event::{Answers, Counts, Event, Events, Flag, ResetCause};
pub use focus::{Focus, FocusError};
pub use issues::{CaptureByte, CaptureIssue, CaptureIssueKind, CaptureIssues};
pub use limits::{
    FLAGS_MAX, FRAGMENTED_MAX_BYTES, FRAGMENTED_MAX_PACKETS, FRAGMENTS_MAX_SECS, LINGERING_MAX, LIVE_MAX,
    LIVE_MAX_BYTES, OUT_OF_ORDER_ALL_MAX_BYTES, OUT_OF_ORDER_MAX_BYTES, OUT_OF_ORDER_MAX_PIECES,
};
pub use round_trip::RoundTripTimes;
pub(crate) use round_trip::RoundTrips;
use serde::Serialize;
pub use stream::{Arrival, Item, Stream};
pub use streams::{Listener, Said, Streams};
pub use tracked_segment::{TrackedSegment, Window};

use self::conversation::At;
use self::reassembly::{Reassembly, Whole};
use self::table::{Opening, Table};
use crate::capture::CapturedPacket;
use crate::time::Timestamp;
use crate::wire::frame::{FragmentPosition, VerifiedChecksums};
use crate::wire::tcp::Flags;
use crate::wire::{Frame, LinkType};

/// A number of packets, and their bytes on the wire.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Amount {
    /// How many.
    pub packets: u64,
    /// Their bytes, headers and all.
    pub bytes: u64,
}

impl AddAssign for Amount {
    fn add_assign(&mut self, more: Self) {
        self.packets += more.packets;
        self.bytes += more.bytes;
    }
}

/// What there was in a capture as a whole.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// All packets.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// The earliest time.
    pub first: Option<Timestamp>,
    /// The latest.
    pub last: Option<Timestamp>,
    /// Conversations, listed or not.
    pub conversations: u64,
    /// Conversations that were closed for want of room.
    pub retired: u64,
    /// What belongs to conversations that the focus leaves out.
    pub out_of_focus: Amount,
    /// What belongs to no conversation: neither TCP nor UDP, or not to be read.
    pub no_conversation: Amount,
    /// Fragments of packets that did not become whole: part of what belongs to no conversation.
    pub fragments: Amount,
    /// All checksums, of what is in focus and of what belongs to no conversation.
    pub checksums: Checksums,
    /// What was wrong with frames.
    pub issues: CaptureIssues,
}

/// Takes a capture packet by packet.
#[derive(Debug)]
pub struct Analyzer {
    /// All of them have to hold.
    focus: Vec<Focus>,
    table: Table,
    reassembly: Reassembly,
    /// The packet that the last fragment made whole.
    whole: Option<Vec<u8>>,
    totals: Totals,
}

/// Where a frame belongs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// What carries the conversation.
    pub transport: Transport,
    /// The conversation's number.
    pub number: u64,
    /// Who sent the frame.
    pub from: Side,
    /// The client's address and port.
    pub client: SocketAddr,
    /// The server's.
    pub server: SocketAddr,
}

/// A frame of a conversation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TrackedFrame {
    /// The conversation, and the side that sent the frame.
    pub place: Place,
    /// Its TCP segment; `None` if it holds a datagram.
    pub segment: Option<TrackedSegment>,
}

/// What takes a conversation that is over.
pub type Sink<'a> = dyn FnMut(Conversation) + 'a;

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
            table: Table::new(LIVE_MAX_BYTES),
            reassembly: Reassembly::default(),
            whole: None,
            totals: Totals::default(),
        }
    }

    /// Takes the next packet, and hands out the conversations that are over by it.
    pub fn packet(&mut self, packet: &CapturedPacket<'_>, sink: &mut Sink<'_>) -> Option<TrackedFrame> {
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
        sink: &mut Sink<'_>,
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
        let at = At { frame: number, time };
        if frame.fragment() == FragmentPosition::Whole {
            self.packet_of(at, frame, None, sink)
        } else {
            self.fragment(at, frame, sink)
        }
    }

    /// Takes a fragment.
    #[cold]
    fn fragment(&mut self, at: At, frame: &Frame<'_>, sink: &mut Sink<'_>) -> Option<TrackedFrame> {
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
        at: At,
        frame: &Frame<'_>,
        whole: Option<&Whole>,
        sink: &mut Sink<'_>,
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
            let place = live.place(from);
            let segment = live.segment(at, place.from, &segment, len, reused);
            self.table.settle(sink);
            Some(TrackedFrame { place, segment: Some(segment) })
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
            let place = live.place(from);
            live.datagram(at, place.from, len);
            Some(TrackedFrame { place, segment: None })
        } else {
            self.totals.no_conversation += amount;
            self.totals.checksums += checksums();
            None
        }
    }

    /// Hands out the conversations that are left, in the order of their first frames, and what there was as a whole.
    pub fn finish(mut self, sink: &mut Sink<'_>) -> Totals {
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

#[cfg(test)]
mod tests;

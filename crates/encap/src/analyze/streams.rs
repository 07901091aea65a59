//! Reassembles the streams of all TCP conversations in a capture.

use std::cmp::Reverse;

use hashbrown::HashMap;

use super::analyzer::Analyzer;
use super::conversation::Conversation;
use super::endpoint::{ConversationSide, Transport};
use super::event::ResetCause;
use super::focus::Focus;
use super::limits::OUT_OF_ORDER_ALL_MAX_BYTES;
use super::stream_reassembler::{StreamItem, StreamReassembler, StreamSegment};
use super::totals::Totals;
use super::tracked_segment::TrackedFrame;
use crate::capture::CapturedPacket;
use crate::side::Side;
use crate::time::Timestamp;
use crate::wire::Frame;
use crate::wire::tcp::Flags;

/// Reassembles the streams of a capture packet by packet.
#[derive(Debug)]
pub struct Streams {
    analyzer: Analyzer,
    /// The number of the only conversation to reassemble; `None` for all.
    only_conversation: Option<u64>,
    open: OpenStreams,
}

/// The streams of open conversations.
#[derive(Debug, Default)]
struct OpenStreams {
    pairs: HashMap<u64, StreamPair>,
    /// Memory of the waiting bytes of all streams, in bytes.
    memory_bytes: usize,
}

/// Both streams of a conversation.
#[derive(Debug)]
struct StreamPair {
    /// The sender of the first segment.
    sender: ConversationSide,
    client: StreamReassembler,
    server: StreamReassembler,
    /// Time of the last segment.
    last: Option<Timestamp>,
    last_frame: u64,
    /// Whether the first captured segment is a SYN.
    has_syn: bool,
}

/// An item of a stream, with its place in the capture.
#[derive(Clone, Copy, Debug)]
pub struct StreamEvent<'a> {
    /// The sender of the stream.
    pub sender: ConversationSide,
    /// Number of the frame that completed the item.
    pub frame: u64,
    /// Time of that frame, if the capture has one.
    pub time: Option<Timestamp>,
    /// The item.
    pub item: StreamItem<'a>,
    /// Whether the beginning of the connection was captured.
    pub from_start: bool,
}

/// Receives the streams of a capture.
pub trait StreamListener {
    /// Receives the next item of a stream.
    fn on_event(&mut self, event: StreamEvent<'_>);

    /// Receives a conversation when it is over. No item of its streams follows.
    fn on_end(&mut self, conversation: Conversation) {
        let _ = conversation;
    }
}

impl Streams {
    /// Reassembles the conversations that match each of `focus`.
    #[must_use]
    pub fn new(focus: Vec<Focus>) -> Self {
        Self { analyzer: Analyzer::new(focus), only_conversation: None, open: OpenStreams::default() }
    }

    /// Reassembles only the TCP conversation of this number.
    #[must_use]
    pub fn of_conversation(number: u64) -> Self {
        Self { only_conversation: Some(number), ..Self::new(Vec::new()) }
    }

    /// Adds the next packet. The listener receives the items that it completes, and the conversations that it closes.
    pub fn packet(&mut self, packet: &CapturedPacket<'_>, listener: &mut impl StreamListener) {
        let frame = Frame::parse(packet.link_type, packet.captured, packet.original_len);
        let open = &mut self.open;
        let tracked = self.analyzer.frame(packet.number, packet.time, &frame, &mut |conversation| {
            open.end(conversation, listener);
        });
        let Some(TrackedFrame { sender, segment: Some(tracked) }) = tracked else { return };
        // The receiver ignores an RST that is out of its window.
        if tracked.reset == Some(ResetCause::OutOfWindow)
            || self.only_conversation.is_some_and(|only| only != sender.number)
        {
            return;
        }
        let Some(frame) = self.analyzer.whole_packet(frame) else { return };
        let Some(segment) = frame.tcp() else { return };
        let flags = segment.flags();
        let pair = open.pairs.entry(sender.number).or_insert_with(|| StreamPair {
            sender,
            client: StreamReassembler::default(),
            server: StreamReassembler::default(),
            last: None,
            last_frame: 0,
            has_syn: flags.contains(Flags::SYN),
        });
        let (from_start, bytes_before) = (pair.has_syn, pair.memory_bytes());
        pair.last = packet.time.or(pair.last);
        pair.last_frame = packet.number;
        let mut emit = |sender, item: StreamItem<'_>| {
            listener.on_event(StreamEvent { sender, frame: packet.number, time: packet.time, item, from_start });
        };
        let stream_segment = StreamSegment {
            frame: packet.number,
            seq: segment.seq(),
            flags,
            payload: frame.payload(),
            len: frame.payload_len_on_wire(),
        };
        let (stream, other) = sender.side.own_and_other(&mut pair.client, &mut pair.server);
        let mut was_reset = false;
        stream.push(&stream_segment, &mut |item| {
            was_reset |= item == StreamItem::Reset;
            emit(sender, item);
        });
        if flags.contains(Flags::ACK) && !flags.contains(Flags::RST) {
            other.acknowledged(segment.ack());
        }
        // An RST ends both streams: emit the other side's waiting bytes, then its end.
        if was_reset {
            let sender = ConversationSide { side: sender.side.other(), ..sender };
            other.reset(&mut |item| emit(sender, item));
        }
        open.memory_bytes = open.memory_bytes - bytes_before + pair.memory_bytes();
        if open.memory_bytes > OUT_OF_ORDER_ALL_MAX_BYTES {
            open.skip_gaps(packet, listener);
        }
    }

    /// Emits all waiting bytes and gaps, and closes the open conversations. Returns the sums over the capture.
    pub fn finish(mut self, listener: &mut impl StreamListener) -> Totals {
        let open = &mut self.open;
        self.analyzer.finish(&mut |conversation| open.end(conversation, listener))
    }
}

impl OpenStreams {
    /// Treats gaps as lost until half of the memory is free, first in the streams with the most waiting bytes. Because
    /// half is freed at once, the search for these streams is rare.
    #[cold]
    fn skip_gaps(&mut self, packet: &CapturedPacket<'_>, listener: &mut impl StreamListener) {
        let mut largest: Vec<&mut StreamPair> =
            self.pairs.values_mut().filter(|pair| pair.memory_bytes() > 0).collect();
        largest.sort_unstable_by_key(|pair| Reverse((pair.memory_bytes(), pair.sender.number)));
        for pair in largest {
            if self.memory_bytes <= OUT_OF_ORDER_ALL_MAX_BYTES / 2 {
                return;
            }
            self.memory_bytes -= pair.memory_bytes();
            let StreamPair { sender, ref mut client, ref mut server, has_syn, .. } = *pair;
            let mut emit = |side, item: StreamItem<'_>| {
                let sender = ConversationSide { side, ..sender };
                let (frame, time) = (packet.number, packet.time);
                listener.on_event(StreamEvent { sender, frame, time, item, from_start: has_syn });
            };
            client.skip_all_gaps(&mut |item| emit(Side::Client, item));
            server.skip_all_gaps(&mut |item| emit(Side::Server, item));
        }
    }

    /// Emits the waiting bytes of a conversation that is over, and passes the conversation to the listener.
    fn end(&mut self, conversation: Conversation, listener: &mut impl StreamListener) {
        let is_tcp = conversation.transport == Transport::Tcp;
        if let Some(pair) = is_tcp.then(|| self.pairs.remove(&conversation.number)).flatten() {
            self.memory_bytes -= pair.memory_bytes();
            let StreamPair { sender, mut client, mut server, last, last_frame, has_syn } = pair;
            let mut emit = |side, item: StreamItem<'_>| {
                let sender = ConversationSide { side, ..sender };
                listener.on_event(StreamEvent { sender, frame: last_frame, time: last, item, from_start: has_syn });
            };
            client.finish(&mut |item| emit(Side::Client, item));
            server.finish(&mut |item| emit(Side::Server, item));
        }
        listener.on_end(conversation);
    }
}

impl StreamPair {
    fn memory_bytes(&self) -> usize {
        self.client.memory_bytes() + self.server.memory_bytes()
    }
}

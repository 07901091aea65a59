//! The streams of every TCP conversation of a capture, as they go.

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

/// Puts the streams of a capture together.
#[derive(Debug)]
pub struct Streams {
    analyzer: Analyzer,
    /// The only conversation that is put together, if not all are.
    only: Option<u64>,
    live: OpenStreams,
}

/// The streams that go on.
#[derive(Debug, Default)]
struct OpenStreams {
    pairs: HashMap<u64, StreamPair>,
    /// What waits in all of them, in bytes of memory.
    weight: usize,
}

/// Both directions of a conversation.
#[derive(Debug)]
struct StreamPair {
    sender: ConversationSide,
    client: StreamReassembler,
    server: StreamReassembler,
    /// When something was captured last.
    last: Option<Timestamp>,
    last_frame: u64,
    from_start: bool,
}

/// What comes next of a stream, and where.
#[derive(Clone, Copy, Debug)]
pub struct StreamEvent<'a> {
    /// Whose it is.
    pub sender: ConversationSide,
    /// The frame by which it could be given out: that of a gap or an end, too.
    pub frame: u64,
    /// When that was captured, if the capture says so.
    pub time: Option<Timestamp>,
    /// What it is.
    pub item: StreamItem<'a>,
    /// Whether the connection's beginning was captured.
    pub from_start: bool,
}

/// Hears what is said in a capture.
pub trait StreamListener {
    /// Something comes next of a stream.
    fn said(&mut self, said: StreamEvent<'_>);

    /// A conversation is over: nothing more comes of its streams.
    fn over(&mut self, conversation: Conversation) {
        let _ = conversation;
    }
}

impl Streams {
    /// The streams of the conversations for which each of `focus` holds.
    #[must_use]
    pub fn new(focus: Vec<Focus>) -> Self {
        Self { analyzer: Analyzer::new(focus), only: None, live: OpenStreams::default() }
    }

    /// The streams of the TCP conversation of this number alone.
    #[must_use]
    pub fn of_conversation(number: u64) -> Self {
        Self { only: Some(number), ..Self::new(Vec::new()) }
    }

    /// Takes the next packet, gives out what comes next by it, and then the conversations that are over.
    pub fn packet(&mut self, packet: &CapturedPacket<'_>, listener: &mut impl StreamListener) {
        let frame = Frame::parse(packet.link_type, packet.captured, packet.original_len);
        let live = &mut self.live;
        let tracked = self.analyzer.frame(packet.number, packet.time, &frame, &mut |conversation| {
            live.end(conversation, listener);
        });
        let Some(TrackedFrame { sender, segment: Some(tracked) }) = tracked else { return };
        // The receiver ignores a reset out of the window.
        if tracked.reset == Some(ResetCause::OutOfWindow) || self.only.is_some_and(|only| only != sender.number) {
            return;
        }
        let Some(frame) = self.analyzer.whole(frame) else { return };
        let Some(segment) = frame.tcp() else { return };
        let pair = live.pairs.entry(sender.number).or_insert_with(|| StreamPair {
            sender,
            client: StreamReassembler::default(),
            server: StreamReassembler::default(),
            last: None,
            last_frame: 0,
            from_start: segment.flags().contains(Flags::SYN),
        });
        let (from_start, weight) = (pair.from_start, pair.weight());
        pair.last = packet.time.or(pair.last);
        pair.last_frame = packet.number;
        let mut said = |sender, item: StreamItem<'_>| {
            listener.said(StreamEvent { sender, frame: packet.number, time: packet.time, item, from_start });
        };
        let flags = segment.flags();
        let arrival = StreamSegment {
            frame: packet.number,
            seq: segment.seq(),
            flags,
            payload: frame.payload(),
            len: frame.payload_len_on_wire(),
        };
        let (stream, other) = match sender.side {
            Side::Client => (&mut pair.client, &mut pair.server),
            Side::Server => (&mut pair.server, &mut pair.client),
        };
        let mut was_reset = false;
        stream.push(&arrival, &mut |item| {
            was_reset |= item == StreamItem::Reset;
            said(sender, item);
        });
        if flags.contains(Flags::ACK) && !flags.contains(Flags::RST) {
            other.acknowledged(segment.ack());
        }
        if was_reset {
            // What came from the other side and waits is given out, and then that is over, too.
            let sender = ConversationSide { side: sender.side.other(), ..sender };
            other.reset(&mut |item| said(sender, item));
        }
        live.weight = live.weight - weight + pair.weight();
        if live.weight > OUT_OF_ORDER_ALL_MAX_BYTES {
            live.relieve(packet, listener);
        }
    }

    /// Gives out what waits, gaps and all, then the conversations that are left.
    pub fn finish(mut self, listener: &mut impl StreamListener) -> Totals {
        let live = &mut self.live;
        self.analyzer.finish(&mut |conversation| live.end(conversation, listener))
    }
}

impl OpenStreams {
    /// Too much waits: takes the gaps of the streams in which most waits for losses, until half as much is left, so that
    /// looking for them costs little for each byte.
    #[cold]
    fn relieve(&mut self, packet: &CapturedPacket<'_>, listener: &mut impl StreamListener) {
        let mut heaviest: Vec<&mut StreamPair> = self.pairs.values_mut().filter(|pair| pair.weight() > 0).collect();
        heaviest.sort_unstable_by_key(|pair| Reverse((pair.weight(), pair.sender.number)));
        for pair in heaviest {
            if self.weight <= OUT_OF_ORDER_ALL_MAX_BYTES / 2 {
                return;
            }
            self.weight -= pair.weight();
            let StreamPair { sender, ref mut client, ref mut server, from_start, .. } = *pair;
            let mut said = |from, item: StreamItem<'_>| {
                let sender = ConversationSide { side: from, ..sender };
                listener.said(StreamEvent { sender, frame: packet.number, time: packet.time, item, from_start });
            };
            client.give_up_gaps(&mut |item| said(Side::Client, item));
            server.give_up_gaps(&mut |item| said(Side::Server, item));
        }
    }

    /// A conversation is over: what waits of it is given out.
    fn end(&mut self, conversation: Conversation, listener: &mut impl StreamListener) {
        let is_tcp = conversation.transport == Transport::Tcp;
        if let Some(pair) = is_tcp.then(|| self.pairs.remove(&conversation.number)).flatten() {
            self.weight -= pair.weight();
            let StreamPair { sender, mut client, mut server, last, last_frame, from_start } = pair;
            let mut said = |from, item: StreamItem<'_>| {
                listener.said(StreamEvent {
                    sender: ConversationSide { side: from, ..sender },
                    frame: last_frame,
                    time: last,
                    item,
                    from_start,
                });
            };
            client.finish(&mut |item| said(Side::Client, item));
            server.finish(&mut |item| said(Side::Server, item));
        }
        listener.over(conversation);
    }
}

impl StreamPair {
    /// What waits, in bytes of memory.
    fn weight(&self) -> usize {
        self.client.weight() + self.server.weight()
    }
}

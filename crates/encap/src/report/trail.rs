//! The segments of one conversation, each with its place in time and in the stream, for drawings to take what they need.

use crate::analyze::{Conversation, Event, Events, Place, Side};
use crate::time::Timestamp;
use crate::wire::tcp::{Flags, TcpOption};
use crate::wire::{Frame, SeqNumber};

/// The greatest shift of the window scale (RFC 7323 §2.3).
const SCALE_MAX: u8 = 14;

/// A segment or datagram.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// Its frame.
    pub frame: u64,
    /// When it was captured, in nanoseconds after the conversation's first.
    pub nanos: u64,
    /// Who sent it.
    pub from: Side,
    /// Its control bits. `None` is a datagram.
    pub flags: Option<Flags>,
    /// Its first sequence number, from its sender's SYN on; it does not wrap.
    pub seq: i64,
    /// What it acknowledges, from the other side's SYN on.
    pub ack: Option<i64>,
    /// The first number that its sender does not take: acknowledgment and window, if the window's scale is known.
    pub window_end: Option<i64>,
    /// Bytes of payload on the wire.
    pub len: u32,
    /// What was captured of them.
    pub payload: &'a [u8],
    /// What it does that a reader should know.
    pub events: Events,
}

impl Segment<'_> {
    /// The number after all that it takes: SYN and FIN count one each.
    #[must_use]
    pub fn end(&self) -> i64 {
        self.seq + i64::from(self.len) + i64::from(self.flags.map_or(0, Flags::sequence_len))
    }

    /// Whether its bytes were sent before.
    #[must_use]
    pub fn is_again(&self) -> bool {
        [Event::Retransmission, Event::FastRetransmission, Event::SpuriousRetransmission, Event::KeepAlive]
            .iter()
            .any(|event| self.events.has(*event))
    }
}

/// Follows one conversation.
#[derive(Debug)]
pub struct Trail {
    first: Option<Timestamp>,
    last_nanos: u64,
    sides: [Numbers; 2],
}

impl Trail {
    /// Follows `conversation`.
    #[must_use]
    pub fn new(conversation: &Conversation) -> Self {
        Self { first: conversation.first, last_nanos: 0, sides: Default::default() }
    }

    /// Takes the next frame of it.
    pub fn step<'a>(&mut self, number: u64, time: Option<Timestamp>, frame: &Frame<'a>, place: &Place) -> Segment<'a> {
        if let Some(since) = time.zip(self.first).and_then(|(time, first)| time.since(first)) {
            self.last_nanos = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        }
        let mut segment = Segment {
            frame: number,
            nanos: self.last_nanos,
            from: place.from,
            flags: None,
            seq: 0,
            ack: None,
            window_end: None,
            len: frame.payload_len_on_wire(),
            payload: frame.payload(),
            events: place.events,
        };
        let Some(tcp) = frame.tcp() else { return segment };
        let [client, server] = &mut self.sides;
        let (own, other) = match place.from {
            Side::Client => (client, server),
            Side::Server => (server, client),
        };
        let flags = tcp.flags();
        let is_syn = flags.contains(Flags::SYN);
        if is_syn {
            own.begin(tcp.seq());
            own.scale = tcp.options().find_map(|option| match option.ok()?.option {
                TcpOption::WindowScale(shift) => Some(shift.min(SCALE_MAX)),
                _ => None,
            });
        }
        segment.seq = own.relative(tcp.seq());
        segment.flags = Some(flags);
        if flags.contains(Flags::ACK) {
            let ack = other.relative(tcp.ack());
            // The window of a SYN is not scaled; later ones are if both SYNs offer it (RFC 7323 §2.2).
            let shift = match (is_syn, own.has_syn && other.has_syn) {
                (true, _) => Some(0),
                (false, true) => Some(own.scale.zip(other.scale).map_or(0, |(own, _)| own)),
                (false, false) => None,
            };
            segment.ack = Some(ack);
            segment.window_end = shift.map(|shift| ack + (i64::from(tcp.window()) << shift));
        }
        segment
    }
}

/// The sequence numbers of one side, counted from its SYN, on beyond 2³².
#[derive(Debug, Default)]
struct Numbers {
    /// The last that was seen, and what it is from the SYN on.
    last: Option<(SeqNumber, i64)>,
    has_syn: bool,
    scale: Option<u8>,
}

impl Numbers {
    fn begin(&mut self, seq: SeqNumber) {
        self.last.get_or_insert((seq, 0));
        self.has_syn = true;
    }

    /// What a number is from the SYN on; the first one that is seen without one is 1, as Wireshark has it.
    fn relative(&mut self, seq: SeqNumber) -> i64 {
        let (last, offset) = self.last.unwrap_or((seq, 1));
        let relative = offset + i64::from(seq - last);
        self.last = Some((seq, relative));
        relative
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_on_beyond_their_32_bits() {
        let mut numbers = Numbers::default();
        numbers.begin(SeqNumber(u32::MAX));
        let mut at = SeqNumber(u32::MAX);
        for step in 0..6_i64 {
            assert_eq!(numbers.relative(at), step << 30);
            at += 1 << 30;
        }
        assert_eq!(numbers.relative(at - (2 << 30)), 4 << 30, "and back");
        assert_eq!(Numbers::default().relative(SeqNumber(77)), 1);
    }
}

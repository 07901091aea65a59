//! Which frames carried which bytes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;

use serde::Serialize;

use super::Side;
use crate::analyze::{Analyzer, TrackedSegment, Transport};
use crate::wire::Frame;
use crate::wire::tcp::Flags;

/// Part of a row, in a frame.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RowPiece {
    /// The frame's number in the capture, from 1.
    pub frame: u64,
    /// Which bytes of the direction's stream it carries of the row.
    pub stream: Range<u64>,
    /// Whether it carries bytes of other rows, too.
    pub shared: bool,
    /// Whether all of it lies before what earlier frames had come to: it was sent again.
    pub again: bool,
}

/// One frame of one direction.
#[derive(Clone, Copy, Debug)]
struct DirectionFrame {
    frame: u64,
    /// The connection's number: two may have the same addresses, one after the other.
    connection: u64,
    /// `None` for a datagram.
    segment: Option<TrackedSegment>,
}

/// One direction: from where to where, over what.
type Direction = (Transport, SocketAddr, SocketAddr);

/// The frames of a capture, by the direction that they belong to.
#[derive(Debug, Default)]
pub struct Trace {
    frames: u64,
    analyzer: Analyzer,
    directions: HashMap<Direction, Vec<DirectionFrame>>,
}

/// The frames that opened a connection, ended it, and said no more than that something arrived.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct BareFrames {
    /// From the first SYN to the first acknowledgement of its answer.
    pub opening: Vec<u64>,
    /// From the first FIN or RST on.
    pub closing: Vec<u64>,
    /// How many others there are without a byte of a row.
    pub acknowledgements: usize,
}

impl Trace {
    /// Takes in the next frame of a capture.
    pub fn see(&mut self, frame: &Frame<'_>) {
        self.frames += 1;
        let Some(tracked) = self.analyzer.frame(self.frames, None, frame, &mut |_| {}) else { return };
        let sender = tracked.sender;
        let direction = direction(sender.transport, [sender.client, sender.server], sender.side);
        let frame = DirectionFrame { frame: self.frames, connection: sender.number, segment: tracked.segment };
        self.directions.entry(direction).or_default().push(frame);
    }

    /// How many frames were taken in.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    fn direction(&self, transport: Transport, addresses: [SocketAddr; 2], from: Side) -> &[DirectionFrame] {
        self.directions.get(&direction(transport, addresses, from)).map_or(&[], Vec::as_slice)
    }

    /// The segments of one side, each with its frame: those of the first connection whose SYN was captured.
    fn segments(&self, addresses: [SocketAddr; 2], from: Side) -> impl Iterator<Item = (u64, TrackedSegment)> {
        let frames = self.direction(Transport::Tcp, addresses, from);
        let is_syn = |frame: &&DirectionFrame| frame.segment.is_some_and(|segment| segment.flags.contains(Flags::SYN));
        let connection = frames.iter().find(is_syn).or(frames.first()).map(|frame| frame.connection);
        let frames = frames.iter().filter(move |frame| Some(frame.connection) == connection);
        frames.filter_map(|frame| Some((frame.frame, frame.segment?)))
    }

    /// The frames that carried bytes of one side's stream, and which, in the order of the capture.
    #[must_use]
    pub fn stream(&self, addresses: [SocketAddr; 2], from: Side) -> StreamFrames {
        let mut carried = StreamFrames::default();
        // Without the SYN, the beginning of the stream is not known.
        if !self.segments(addresses, from).any(|(_, segment)| segment.flags.contains(Flags::SYN)) {
            return carried;
        }
        let mut highest = 0;
        for (frame, segment) in self.segments(addresses, from) {
            if segment.len == 0 || segment.precedes_stream() {
                continue;
            }
            let bytes = segment.stream_range();
            let list = if bytes.end > highest { &mut carried.fresh } else { &mut carried.again };
            highest = highest.max(bytes.end);
            list.push((frame, bytes));
        }
        carried
    }

    /// The frame of a side's datagram that so many went before.
    #[must_use]
    pub fn datagram(&self, addresses: [SocketAddr; 2], from: Side, before: u64) -> Option<u64> {
        let seen = self.direction(Transport::Udp, addresses, from);
        usize::try_from(before).ok().and_then(|before| seen.get(before)).map(|seen| seen.frame)
    }

    /// The frames of a TCP connection that carried nothing of a row.
    #[must_use]
    pub fn bare(&self, addresses: [SocketAddr; 2]) -> BareFrames {
        let mut both: Vec<_> = [Side::Client, Side::Server]
            .into_iter()
            .flat_map(|side| self.segments(addresses, side).map(move |(frame, segment)| (frame, side, segment)))
            .collect();
        both.sort_by_key(|(frame, ..)| *frame);
        let mut bare = BareFrames::default();
        let mut is_answered = false;
        for (frame, side, TrackedSegment { flags, len, .. }) in both {
            let is_syn = flags.contains(Flags::SYN);
            if flags.intersects(Flags::FIN | Flags::RST) || !bare.closing.is_empty() {
                bare.closing.push(frame);
            } else if is_syn || (is_answered && side == Side::Client && len == 0) {
                // The first acknowledgement of the client after the answer to its SYN.
                is_answered = is_syn && side == Side::Server;
                bare.opening.push(frame);
            } else if len == 0 {
                bare.acknowledgements += 1;
            } else {
                is_answered = false;
            }
        }
        bare
    }
}

/// Which frames carried which bytes of one direction of a stream.
#[derive(Clone, Debug, Default)]
pub struct StreamFrames {
    /// Those that went on where the stream had come to, so that their ends rise.
    fresh: Vec<(u64, Range<u64>)>,
    /// Those with nothing beyond that.
    again: Vec<(u64, Range<u64>)>,
}

impl StreamFrames {
    /// The pieces of a row that has these bytes of the stream, in the order of the capture.
    #[must_use]
    pub fn pieces(&self, row: &Range<u64>) -> Vec<RowPiece> {
        let piece = |(frame, bytes): &(u64, Range<u64>), again| RowPiece {
            frame: *frame,
            stream: bytes.start.max(row.start)..bytes.end.min(row.end),
            shared: bytes.start < row.start || row.end < bytes.end,
            again,
        };
        let first = self.fresh.partition_point(|(_, bytes)| bytes.end <= row.start);
        let fresh = self.fresh[first..].iter().take_while(|(_, bytes)| bytes.start < row.end);
        let again = self.again.iter().filter(|(_, bytes)| bytes.start < row.end && row.start < bytes.end);
        let mut pieces: Vec<_> =
            fresh.map(|seen| piece(seen, false)).chain(again.map(|seen| piece(seen, true))).collect();
        pieces.retain(|piece| !piece.stream.is_empty());
        pieces.sort_by_key(|piece| piece.frame);
        pieces
    }
}

/// The direction of one side's frames.
fn direction(transport: Transport, [client, server]: [SocketAddr; 2], from: Side) -> Direction {
    match from {
        Side::Client => (transport, client, server),
        Side::Server => (transport, server, client),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::LinkType;

    const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5000);
    const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 80);

    /// An IPv4 packet with a TCP segment of `len` bytes of payload.
    fn packet(side: Side, seq: u32, len: u16, flags: Flags) -> Vec<u8> {
        let (from, to) = if side == Side::Client { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        let mut packet = vec![0x45, 0];
        packet.extend((40 + len).to_be_bytes());
        packet.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        packet.extend(from.port().to_be_bytes());
        packet.extend(to.port().to_be_bytes());
        packet.extend(seq.to_be_bytes());
        packet.extend([0, 0, 0, 0, 0x50, flags.bits().to_be_bytes()[1], 1, 0, 0, 0, 0, 0]);
        packet.resize(packet.len() + usize::from(len), b'x');
        packet
    }

    fn trace(segments: &[(Side, u32, u16, Flags)]) -> Trace {
        let mut trace = Trace::default();
        for (side, seq, len, flags) in segments {
            let packet = packet(*side, *seq, *len, *flags);
            trace.see(&Frame::parse(LinkType::RAW, &packet, 40 + u32::from(*len)));
        }
        trace
    }

    #[test]
    fn rows_are_found_by_stream_offset_and_not_by_counting_packets() {
        use Side::{Client, Server};
        // The sequence numbers cross 2³² within the first segment.
        let isn = u32::MAX - 5;
        let (data, ack) = (Flags::PSH | Flags::ACK, Flags::ACK);
        let trace = trace(&[
            (Client, isn, 0, Flags::SYN),
            (Server, 7, 0, Flags::SYN | Flags::ACK),
            (Client, isn + 1, 0, ack),
            (Client, isn + 1, 10, data),
            (Server, 8, 0, ack),
            (Client, isn.wrapping_add(11), 20, data),
            (Client, isn.wrapping_add(1), 10, data),
            (Server, 8, 4, data),
            (Client, isn.wrapping_add(31), 0, Flags::FIN | Flags::ACK),
            (Server, 12, 0, Flags::FIN | Flags::ACK),
            (Client, isn.wrapping_add(32), 0, ack),
        ]);
        let piece = |frame, stream, shared, again| RowPiece { frame, stream, shared, again };
        let carried = trace.stream([CLIENT, SERVER], Client);
        for (row, expected) in [
            // Two rows in one segment, of which one goes on in the next.
            (0..4, vec![piece(4, 0..4, true, false), piece(7, 0..4, true, true)]),
            (4..15, vec![piece(4, 4..10, true, false), piece(6, 10..15, true, false), piece(7, 4..10, true, true)]),
            (15..30, vec![piece(6, 15..30, true, false)]),
            (0..10, vec![piece(4, 0..10, false, false), piece(7, 0..10, false, true)]),
            (30..40, vec![]),
            (5..5, vec![]),
        ] {
            assert_eq!(carried.pieces(&row), expected, "row {row:?}");
        }
        assert_eq!(trace.stream([CLIENT, SERVER], Server).pieces(&(0..4)), [piece(8, 0..4, false, false)]);
        let bare = BareFrames { opening: vec![1, 2, 3], closing: vec![9, 10, 11], acknowledgements: 1 };
        assert_eq!(trace.bare([CLIENT, SERVER]), bare);
    }

    #[test]
    fn a_later_connection_of_the_same_addresses_is_another() {
        use Side::{Client, Server};
        let ack = Flags::ACK;
        let trace = trace(&[
            (Client, 100, 0, Flags::SYN),
            (Server, 500, 0, Flags::SYN | ack),
            (Client, 101, 4, ack),
            (Client, 105, 0, Flags::RST),
            (Client, 9_000, 0, Flags::SYN),
            (Server, 7_000, 0, Flags::SYN | ack),
            (Client, 9_001, 4, ack),
        ]);
        let piece = RowPiece { frame: 3, stream: 0..4, shared: false, again: false };
        assert_eq!(trace.stream([CLIENT, SERVER], Client).pieces(&(0..4)), [piece]);
        let bare = BareFrames { opening: vec![1, 2], closing: vec![4], acknowledgements: 0 };
        assert_eq!(trace.bare([CLIENT, SERVER]), bare);
    }
}

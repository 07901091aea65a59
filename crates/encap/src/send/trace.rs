//! The frames that carry the rows of a plan.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::ops::Range;

use serde::Serialize;

use super::Side;
use crate::analyze::Analyzer;
use crate::wire::Frame;
use crate::wire::tcp::Flags;

/// The part of a row in one frame.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RowPiece {
    /// The frame's number in the capture, from 1.
    pub frame: u64,
    /// The part's place in the stream of its direction.
    pub stream: Range<u64>,
    /// Whether the frame also carries bytes of other rows.
    pub shared: bool,
    /// Whether earlier frames carried all of these bytes (a retransmission).
    pub again: bool,
}

/// A frame with a TCP segment.
#[derive(Clone, Debug)]
struct SegmentFrame {
    frame: u64,
    /// The connection's number. Later connections can have the same addresses.
    connection: u64,
    /// The place of the payload in the stream; empty if the payload precedes the stream.
    stream: Range<u64>,
    flags: Flags,
    /// Bytes of payload on the wire.
    len: u32,
}

impl SegmentFrame {
    const fn is_syn(&self) -> bool {
        self.flags.contains(Flags::SYN)
    }
}

/// Sender and receiver.
type Direction = (SocketAddr, SocketAddr);

/// The frames of a capture, by direction.
#[derive(Debug, Default)]
pub struct Trace {
    frames: u64,
    analyzer: Analyzer,
    segments: HashMap<Direction, Vec<SegmentFrame>>,
    /// The frame of each datagram; of a fragmented one, the frame of its first fragment.
    datagrams: HashMap<Direction, Vec<u64>>,
}

/// The frames of a connection without bytes of a row.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct BareFrames {
    /// From the first SYN to the client's first acknowledgment of the server's SYN.
    pub opening: Vec<u64>,
    /// From the first FIN or RST to the end.
    pub closing: Vec<u64>,
    /// Number of the other frames without bytes of a row.
    pub acknowledgements: usize,
}

impl Trace {
    /// Adds the next frame of a capture.
    pub fn add_frame(&mut self, frame: &Frame<'_>) {
        self.frames += 1;
        if let (Some((source, destination)), Some(datagram)) = (frame.addresses(), frame.udp()) {
            let from = SocketAddr::new(source, datagram.source_port());
            let to = SocketAddr::new(destination, datagram.destination_port());
            // A datagram whose other fragments are missing still counts, so that the later ones keep their index.
            self.datagrams.entry((from, to)).or_default().push(self.frames);
        }
        let Some(tracked) = self.analyzer.frame(self.frames, None, frame, &mut |_| {}) else { return };
        let (sender, Some(segment)) = (tracked.sender, tracked.segment) else { return };
        self.segments.entry(direction([sender.client, sender.server], sender.side)).or_default().push(SegmentFrame {
            frame: self.frames,
            connection: sender.number,
            stream: if segment.precedes_stream() { 0..0 } else { segment.stream_range() },
            flags: segment.flags,
            len: segment.len,
        });
    }

    /// Number of frames.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// The segments that one side sent to the other, in all connections.
    fn all_segments(&self, addresses: [SocketAddr; 2], from: Side) -> &[SegmentFrame] {
        self.segments.get(&direction(addresses, from)).map_or(&[], Vec::as_slice)
    }

    /// The connection between these addresses that carries the rows: the first one with a SYN from both sides, else the
    /// first one with a SYN, else the first one.
    fn connection(&self, addresses: [SocketAddr; 2]) -> Option<u64> {
        let [client, server] = [Side::Client, Side::Server].map(|side| self.all_segments(addresses, side));
        let server_syns: HashSet<u64> =
            server.iter().filter(|segment| segment.is_syn()).map(|segment| segment.connection).collect();
        let answered = client.iter().find(|segment| segment.is_syn() && server_syns.contains(&segment.connection));
        let both = || client.iter().chain(server);
        answered
            .or_else(|| both().filter(|segment| segment.is_syn()).min_by_key(|segment| segment.frame))
            .or_else(|| both().min_by_key(|segment| segment.frame))
            .map(|segment| segment.connection)
    }

    /// The segments that one side sent in the connection that carries the rows.
    fn segments(&self, addresses: [SocketAddr; 2], from: Side) -> impl Iterator<Item = &SegmentFrame> {
        let connection = self.connection(addresses);
        let segments = self.all_segments(addresses, from).iter();
        segments.filter(move |segment| Some(segment.connection) == connection)
    }

    /// The frames that carry the stream of one side.
    #[must_use]
    pub fn stream(&self, addresses: [SocketAddr; 2], from: Side) -> StreamFrames {
        let mut frames = StreamFrames::default();
        // Without the SYN, the beginning of the stream is not known.
        if !self.segments(addresses, from).any(SegmentFrame::is_syn) {
            return frames;
        }
        let mut highest = 0;
        for segment in self.segments(addresses, from) {
            let bytes = segment.stream.clone();
            if bytes.is_empty() {
                continue;
            }
            let list = if bytes.end > highest { &mut frames.fresh } else { &mut frames.again };
            highest = highest.max(bytes.end);
            list.push((segment.frame, bytes));
        }
        frames
    }

    /// The frame of the datagram with this index, from 0, among those that one side sent.
    #[must_use]
    pub fn datagram(&self, addresses: [SocketAddr; 2], from: Side, index: u64) -> Option<u64> {
        let frames = self.datagrams.get(&direction(addresses, from))?;
        usize::try_from(index).ok().and_then(|index| frames.get(index)).copied()
    }

    /// The frames of a TCP connection without bytes of a row.
    #[must_use]
    pub fn bare(&self, addresses: [SocketAddr; 2]) -> BareFrames {
        let mut segments: Vec<_> = [Side::Client, Side::Server]
            .into_iter()
            .flat_map(|side| self.segments(addresses, side).map(move |segment| (side, segment)))
            .collect();
        segments.sort_by_key(|(_, segment)| segment.frame);
        let mut bare = BareFrames::default();
        let mut is_answered = false;
        for (side, segment) in segments {
            if segment.flags.intersects(Flags::FIN | Flags::RST) || !bare.closing.is_empty() {
                bare.closing.push(segment.frame);
            } else if segment.is_syn() || (is_answered && side == Side::Client && segment.len == 0) {
                // The second case is the client's first acknowledgment of the server's SYN.
                is_answered = segment.is_syn() && side == Side::Server;
                bare.opening.push(segment.frame);
            } else if segment.len == 0 {
                bare.acknowledgements += 1;
            } else {
                is_answered = false;
            }
        }
        bare
    }
}

/// The frames that carry the stream of one side, with the place of their bytes.
#[derive(Clone, Debug, Default)]
pub struct StreamFrames {
    /// Frames with new bytes; their ends increase.
    fresh: Vec<(u64, Range<u64>)>,
    /// Retransmissions.
    again: Vec<(u64, Range<u64>)>,
}

impl StreamFrames {
    /// The pieces of the row at this place of the stream, in the order of the capture.
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
            fresh.map(|frame| piece(frame, false)).chain(again.map(|frame| piece(frame, true))).collect();
        pieces.retain(|piece| !piece.stream.is_empty());
        pieces.sort_by_key(|piece| piece.frame);
        pieces
    }
}

/// The direction of one side's frames.
const fn direction([client, server]: [SocketAddr; 2], from: Side) -> Direction {
    match from {
        Side::Client => (client, server),
        Side::Server => (server, client),
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
            trace.add_frame(&Frame::parse(LinkType::RAW, &packet, 40 + u32::from(*len)));
        }
        trace
    }

    #[test]
    fn rows_are_found_by_stream_offset() {
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
        let frames = trace.stream([CLIENT, SERVER], Client);
        for (row, expected) in [
            // Two rows in one segment; the second one continues in the next segment.
            (0..4, vec![piece(4, 0..4, true, false), piece(7, 0..4, true, true)]),
            (4..15, vec![piece(4, 4..10, true, false), piece(6, 10..15, true, false), piece(7, 4..10, true, true)]),
            (15..30, vec![piece(6, 15..30, true, false)]),
            (0..10, vec![piece(4, 0..10, false, false), piece(7, 0..10, false, true)]),
            (30..40, vec![]),
            (5..5, vec![]),
        ] {
            assert_eq!(frames.pieces(&row), expected, "row {row:?}");
        }
        assert_eq!(trace.stream([CLIENT, SERVER], Server).pieces(&(0..4)), [piece(8, 0..4, false, false)]);
        let bare = BareFrames { opening: vec![1, 2, 3], closing: vec![9, 10, 11], acknowledgements: 1 };
        assert_eq!(trace.bare([CLIENT, SERVER]), bare);
    }

    #[test]
    fn later_connection_with_the_same_addresses_is_ignored() {
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

    #[test]
    fn both_sides_are_read_from_the_retry_of_a_refused_connection() {
        use Side::{Client, Server};
        let ack = Flags::ACK;
        let trace = trace(&[
            (Client, 1_000, 0, Flags::SYN),
            (Server, 0, 0, Flags::RST | ack),
            (Client, 7_000, 0, Flags::SYN),
            (Server, 9_000, 0, Flags::SYN | ack),
            (Client, 7_001, 0, ack),
            (Client, 7_001, 4, ack),
            (Server, 9_001, 6, ack),
        ]);
        let piece = |frame, stream| RowPiece { frame, stream, shared: false, again: false };
        let addresses = [CLIENT, SERVER];
        assert_eq!(trace.stream(addresses, Client).pieces(&(0..4)), [piece(6, 0..4)]);
        assert_eq!(trace.stream(addresses, Server).pieces(&(0..6)), [piece(7, 0..6)]);
        let bare = BareFrames { opening: vec![3, 4, 5], closing: vec![], acknowledgements: 0 };
        assert_eq!(trace.bare(addresses), bare);
    }

    /// An IPv4 packet with these bytes of a UDP datagram.
    fn udp_packet(identification: u8, fragment: [u8; 2], bytes: &[u8]) -> Vec<u8> {
        let total_len = 20 + u8::try_from(bytes.len()).expect("the fragment is short");
        let [high, low] = fragment;
        let mut packet =
            vec![0x45, 0, 0, total_len, 0, identification, high, low, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1];
        packet.extend(bytes);
        packet
    }

    #[test]
    fn fragmented_datagram_is_numbered_by_its_first_fragment() {
        let datagram = |len: u8| {
            let mut datagram = Vec::new();
            datagram.extend(CLIENT.port().to_be_bytes());
            datagram.extend(SERVER.port().to_be_bytes());
            datagram.extend([0, len, 0, 0]);
            datagram.resize(len.into(), b'x');
            datagram
        };
        let (long, short) = (datagram(24), datagram(12));
        let (more, rest) = ([0x20, 0], [0, 2]);
        let mut trace = Trace::default();
        for packet in [
            udp_packet(1, more, &long[..16]),
            udp_packet(1, rest, &long[16..]),
            udp_packet(2, [0, 0], &short),
            // The other fragment is missing.
            udp_packet(3, more, &long[..16]),
            udp_packet(4, [0, 0], &short),
        ] {
            let len = u32::try_from(packet.len()).expect("the packet is short");
            trace.add_frame(&Frame::parse(LinkType::RAW, &packet, len));
        }
        let frames: Vec<_> = (0..5).map_while(|index| trace.datagram([CLIENT, SERVER], Side::Client, index)).collect();
        assert_eq!(frames, [1, 3, 4, 5]);
    }
}

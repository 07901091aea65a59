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
    /// The byte range of the part in the stream of its sender.
    pub stream: Range<u64>,
    /// Whether the frame also carries bytes of other rows.
    pub shared: bool,
    /// Whether the frame is a retransmission: earlier frames carried all of its bytes.
    pub again: bool,
}

/// A frame with a TCP segment.
#[derive(Clone, Debug)]
struct SegmentFrame {
    frame: u64,
    /// The number of the connection. A later connection may have the same addresses, but has another number.
    connection: u64,
    /// The byte range of the payload in the stream; empty if the payload is before the start of the stream.
    stream: Range<u64>,
    flags: Flags,
    /// Length of the payload on the wire, in bytes.
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
    n_frames: u64,
    analyzer: Analyzer,
    segments: HashMap<Direction, Vec<SegmentFrame>>,
    /// The frame of each datagram. For a fragmented datagram, it is the frame of the first fragment.
    datagrams: HashMap<Direction, Vec<u64>>,
}

/// The frames of a connection that carry no bytes of a row.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct BareFrames {
    /// Frames of the handshake: from the first SYN to the client's acknowledgment of the server's SYN.
    pub opening: Vec<u64>,
    /// All frames from the first FIN or RST on.
    pub closing: Vec<u64>,
    /// Number of the other frames without payload.
    pub acknowledgements: usize,
}

impl Trace {
    /// Adds the next frame of a capture.
    pub fn add_frame(&mut self, frame: &Frame<'_>) {
        self.n_frames += 1;
        if let (Some((source, destination)), Some(datagram)) = (frame.addresses(), frame.udp()) {
            let from = SocketAddr::new(source, datagram.source_port());
            let to = SocketAddr::new(destination, datagram.destination_port());
            // A datagram counts even if fragments are missing, so that later datagrams keep their index.
            self.datagrams.entry((from, to)).or_default().push(self.n_frames);
        }
        let Some(tracked) = self.analyzer.frame(self.n_frames, None, frame, &mut |_| {}) else { return };
        let (sender, Some(segment)) = (tracked.sender, tracked.segment) else { return };
        self.segments.entry(direction([sender.client, sender.server], sender.side)).or_default().push(SegmentFrame {
            frame: self.n_frames,
            connection: sender.number,
            stream: if segment.precedes_stream() { 0..0 } else { segment.stream_range() },
            flags: segment.flags,
            len: segment.len,
        });
    }

    /// Number of frames added so far.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.n_frames
    }

    /// The segments that one side sent to the other, in all connections.
    fn all_segments(&self, addresses: [SocketAddr; 2], from: Side) -> &[SegmentFrame] {
        self.segments.get(&direction(addresses, from)).map_or(&[], Vec::as_slice)
    }

    /// The connection that carries the rows between these addresses: the first connection with a SYN from both sides,
    /// else the first connection with a SYN, else the first connection.
    fn connection(&self, addresses: [SocketAddr; 2]) -> Option<u64> {
        let [client, server] = [Side::Client, Side::Server].map(|side| self.all_segments(addresses, side));
        let server_syns: HashSet<u64> =
            server.iter().filter(|segment| segment.is_syn()).map(|segment| segment.connection).collect();
        let answered_syn = client.iter().find(|segment| segment.is_syn() && server_syns.contains(&segment.connection));
        let of_both_sides = || client.iter().chain(server);
        answered_syn
            .or_else(|| of_both_sides().filter(|segment| segment.is_syn()).min_by_key(|segment| segment.frame))
            .or_else(|| of_both_sides().min_by_key(|segment| segment.frame))
            .map(|segment| segment.connection)
    }

    /// The segments that one side sent in the connection that carries the rows.
    fn segments(&self, addresses: [SocketAddr; 2], from: Side) -> impl Iterator<Item = &SegmentFrame> {
        let connection = self.connection(addresses);
        let segments = self.all_segments(addresses, from).iter();
        segments.filter(move |segment| Some(segment.connection) == connection)
    }

    /// The frames that carry the stream of one side. Empty if the capture lacks the side's SYN.
    #[must_use]
    pub fn stream(&self, addresses: [SocketAddr; 2], from: Side) -> StreamFrames {
        let mut frames = StreamFrames::default();
        // Only the SYN shows the sequence number at which the stream begins.
        if !self.segments(addresses, from).any(SegmentFrame::is_syn) {
            return frames;
        }
        let mut highest_end = 0;
        for segment in self.segments(addresses, from) {
            let bytes = segment.stream.clone();
            if bytes.is_empty() {
                continue;
            }
            let list = if bytes.end > highest_end { &mut frames.fresh } else { &mut frames.retransmitted };
            highest_end = highest_end.max(bytes.end);
            list.push((segment.frame, bytes));
        }
        frames
    }

    /// The frame of a datagram of one side. `index` counts the datagrams of this side, from 0.
    #[must_use]
    pub fn datagram(&self, addresses: [SocketAddr; 2], from: Side, index: u64) -> Option<u64> {
        let frames = self.datagrams.get(&direction(addresses, from))?;
        usize::try_from(index).ok().and_then(|index| frames.get(index)).copied()
    }

    /// The frames without bytes of a row, in the connection that carries the rows.
    #[must_use]
    pub fn bare(&self, addresses: [SocketAddr; 2]) -> BareFrames {
        let mut segments: Vec<_> = [Side::Client, Side::Server]
            .into_iter()
            .flat_map(|side| self.segments(addresses, side).map(move |segment| (side, segment)))
            .collect();
        segments.sort_by_key(|(_, segment)| segment.frame);
        let mut bare = BareFrames::default();
        let mut awaits_handshake_ack = false;
        for (side, segment) in segments {
            if segment.flags.intersects(Flags::FIN | Flags::RST) || !bare.closing.is_empty() {
                bare.closing.push(segment.frame);
            } else if segment.is_syn() || (awaits_handshake_ack && side == Side::Client && segment.len == 0) {
                awaits_handshake_ack = segment.is_syn() && side == Side::Server;
                bare.opening.push(segment.frame);
            } else if segment.len == 0 {
                bare.acknowledgements += 1;
            } else {
                awaits_handshake_ack = false;
            }
        }
        bare
    }
}

/// The frames that carry the stream of one side, each with its byte range in the stream.
#[derive(Clone, Debug, Default)]
pub struct StreamFrames {
    /// Frames with new bytes, in the order of the capture. The ends of their ranges increase.
    fresh: Vec<(u64, Range<u64>)>,
    /// Frames without new bytes.
    retransmitted: Vec<(u64, Range<u64>)>,
}

impl StreamFrames {
    /// The pieces of the row that has the byte range `row` in the stream, in the order of the capture.
    #[must_use]
    pub fn pieces(&self, row: &Range<u64>) -> Vec<RowPiece> {
        let piece = |(frame, bytes): &(u64, Range<u64>), again| RowPiece {
            frame: *frame,
            stream: bytes.start.max(row.start)..bytes.end.min(row.end),
            shared: bytes.start < row.start || row.end < bytes.end,
            again,
        };
        let first_fresh = self.fresh.partition_point(|(_, bytes)| bytes.end <= row.start);
        let fresh = self.fresh[first_fresh..].iter().take_while(|(_, bytes)| bytes.start < row.end);
        let retransmitted =
            self.retransmitted.iter().filter(|(_, bytes)| bytes.start < row.end && row.start < bytes.end);
        let mut pieces: Vec<_> =
            fresh.map(|frame| piece(frame, false)).chain(retransmitted.map(|frame| piece(frame, true))).collect();
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

    /// An IPv4 packet with a TCP segment that has `len` bytes of payload.
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

    /// An IPv4 packet that carries `bytes` of a UDP datagram. `fragment` is the field of flags and fragment offset.
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
        // The field of flags and fragment offset: more fragments follow; the fragment begins after 2 × 8 bytes.
        let (first_fragment, second_fragment) = ([0x20, 0], [0, 2]);
        let mut trace = Trace::default();
        for packet in [
            udp_packet(1, first_fragment, &long[..16]),
            udp_packet(1, second_fragment, &long[16..]),
            udp_packet(2, [0, 0], &short),
            // The second fragment of this datagram is missing.
            udp_packet(3, first_fragment, &long[..16]),
            udp_packet(4, [0, 0], &short),
        ] {
            let len = u32::try_from(packet.len()).expect("the packet is short");
            trace.add_frame(&Frame::parse(LinkType::RAW, &packet, len));
        }
        let frames: Vec<_> = (0..5).map_while(|index| trace.datagram([CLIENT, SERVER], Side::Client, index)).collect();
        assert_eq!(frames, [1, 3, 4, 5]);
    }
}

//! Which frames carried which bytes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::Range;

use serde::Serialize;

use super::Side;
use crate::rows::Transport;
use crate::wire::tcp::Flags;
use crate::wire::{Frame, SeqNumber};

/// Part of a row, in a frame.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Piece {
    /// The frame's number in the capture, from 1.
    pub frame: u64,
    /// Which bytes of the direction's stream it carries of the row.
    pub stream: Range<u64>,
    /// Whether it carries bytes of other rows, too.
    pub shared: bool,
    /// Whether all of it lies before what earlier frames had come to: it was sent again.
    pub again: bool,
}

/// What one frame had of one direction of one connection.
#[derive(Clone, Copy, Debug)]
struct Seen {
    frame: u64,
    seq: SeqNumber,
    len: u32,
    flags: Flags,
}

/// One direction: from where to where, over what.
type Direction = (Transport, SocketAddr, SocketAddr);

/// The frames of a capture, by the direction that they belong to.
#[derive(Debug, Default)]
pub struct Trace {
    frames: u64,
    directions: HashMap<Direction, Vec<Seen>>,
}

/// The frames that opened a connection, ended it, and said no more than that something arrived.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Bare {
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
        let Some((source, destination)) = frame.addresses() else { return };
        let len = frame.payload_len_on_wire();
        let (transport, ports, seq, flags) = if let Some(segment) = frame.tcp() {
            let ports = (segment.source_port(), segment.destination_port());
            (Transport::Tcp, ports, segment.seq(), segment.flags())
        } else if let Some(datagram) = frame.udp() {
            let ports = (datagram.source_port(), datagram.destination_port());
            (Transport::Udp, ports, SeqNumber(0), Flags::NONE)
        } else {
            return;
        };
        let direction = (transport, SocketAddr::new(source, ports.0), SocketAddr::new(destination, ports.1));
        self.directions.entry(direction).or_default().push(Seen { frame: self.frames, seq, len, flags });
    }

    /// How many frames were taken in.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    fn direction(&self, transport: Transport, [client, server]: [SocketAddr; 2], from: Side) -> &[Seen] {
        let (source, destination) = if from == Side::Client { (client, server) } else { (server, client) };
        self.directions.get(&(transport, source, destination)).map_or(&[], Vec::as_slice)
    }

    /// The frames that carried bytes of one side's stream, and which, in the order of the capture.
    #[must_use]
    pub fn stream(&self, addresses: [SocketAddr; 2], from: Side) -> Carried {
        let seen = self.direction(Transport::Tcp, addresses, from);
        let mut carried = Carried::default();
        let Some(syn) = seen.iter().find(|seen| seen.flags.contains(Flags::SYN)) else { return carried };
        // A SYN counts one; positions are told from the highest so far, so that they go on where numbers wrap.
        let first = syn.seq + 1;
        let mut highest = 0_u64;
        for seen in seen.iter().filter(|seen| seen.len > 0) {
            let expected = first + low_half(highest);
            let Some(start) = highest.checked_add_signed(i64::from(seen.seq - expected)) else { continue };
            let end = start + u64::from(seen.len);
            let list = if end > highest { &mut carried.fresh } else { &mut carried.again };
            list.push((seen.frame, start..end));
            highest = highest.max(end);
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
    pub fn bare(&self, addresses: [SocketAddr; 2]) -> Bare {
        let mut both: Vec<_> = [Side::Client, Side::Server]
            .into_iter()
            .flat_map(|side| self.direction(Transport::Tcp, addresses, side).iter().map(move |seen| (side, *seen)))
            .collect();
        both.sort_by_key(|(_, seen)| seen.frame);
        let mut bare = Bare::default();
        let is_end = |seen: &Seen| seen.flags.intersects(Flags::FIN | Flags::RST);
        let mut is_answered = false;
        for (side, seen) in both {
            let is_syn = seen.flags.contains(Flags::SYN);
            if is_end(&seen) || !bare.closing.is_empty() {
                bare.closing.push(seen.frame);
            } else if is_syn || (is_answered && side == Side::Client && seen.len == 0) {
                // The first acknowledgement of the client after the answer to its SYN.
                is_answered = is_syn && side == Side::Server;
                bare.opening.push(seen.frame);
            } else if seen.len == 0 {
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
pub struct Carried {
    /// Those that went on where the stream had come to, so that their ends rise.
    fresh: Vec<(u64, Range<u64>)>,
    /// Those with nothing beyond that.
    again: Vec<(u64, Range<u64>)>,
}

impl Carried {
    /// The pieces of a row that has these bytes of the stream, in the order of the capture.
    #[must_use]
    pub fn pieces(&self, row: &Range<u64>) -> Vec<Piece> {
        let piece = |(frame, bytes): &(u64, Range<u64>), again| Piece {
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

/// The lower four bytes.
#[expect(clippy::cast_possible_truncation, reason = "sequence numbers are modulo 2³²")]
const fn low_half(number: u64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 5000);
    const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 80);

    fn trace(seen: &[(Side, u32, u32, Flags)]) -> Trace {
        let mut trace = Trace::default();
        for (frame, (side, seq, len, flags)) in (1..).zip(seen) {
            let (from, to) = if *side == Side::Client { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
            let seen = Seen { frame, seq: SeqNumber(*seq), len: *len, flags: *flags };
            trace.directions.entry((Transport::Tcp, from, to)).or_default().push(seen);
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
        let piece = |frame, stream, shared, again| Piece { frame, stream, shared, again };
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
        let bare = Bare { opening: vec![1, 2, 3], closing: vec![9, 10, 11], acknowledgements: 1 };
        assert_eq!(trace.bare([CLIENT, SERVER]), bare);
    }
}

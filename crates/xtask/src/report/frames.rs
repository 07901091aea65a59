//! The frames of a capture as the report lists them: times from the first, numbers from the SYN.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;
use switchboard_encap::capture::Reader;
use switchboard_encap::side::Side;
use switchboard_encap::wire::tcp::Options;
use switchboard_encap::wire::{Frame, SeqNumber};
use switchboard_protocol::sanitize;

use super::format;

/// Characters of a payload that fit in a line of a table.
const TEXT_MAX: usize = 36;

/// A segment of TCP.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Segment {
    pub(super) frame: u64,
    /// Since the capture's first.
    pub(super) time: String,
    #[serde(skip)]
    pub(super) nanos: u64,
    /// The first frame of its connection: two may have the same ends, one after the other.
    #[serde(skip)]
    pub(super) connection: u64,
    pub(super) from: Side,
    pub(super) flags: String,
    /// Counted from the sender's SYN.
    pub(super) seq: u32,
    /// Counted from the other side's SYN.
    pub(super) ack: Option<u32>,
    /// In bytes: that of a SYN as it stands, later ones times the factor that its sender gave in its SYN.
    pub(super) window: u32,
    pub(super) bytes: usize,
    /// The length of the whole frame.
    pub(super) frame_len: usize,
    /// The beginning of what is carried, safe to show.
    pub(super) text: String,
    #[serde(skip)]
    pub(super) payload: Vec<u8>,
}

/// A connection, as far as its segments have been read.
struct Connection {
    first_frame: u64,
    client: SocketAddr,
    /// The initial sequence number of the client and of the server, each once it has sent something.
    initial: [Option<SeqNumber>; 2],
    /// The exponent of each side's window factor, where its SYN has one.
    scales: [Option<u8>; 2],
}

/// All segments of a capture that fits in memory: the report's own.
pub(super) fn read(file: &Path) -> Result<Vec<Segment>, String> {
    let say = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let mut reader =
        Reader::new(BufReader::new(File::open(file).map_err(|error| say(&error))?)).map_err(|error| say(&error))?;
    let mut first = None;
    let mut connections: HashMap<(SocketAddr, SocketAddr), Connection> = HashMap::new();
    let mut segments = Vec::new();
    while let Some(packet) = reader.next_packet().map_err(|error| say(&error))? {
        let start = *first.get_or_insert(packet.time);
        let frame = Frame::parse(packet.link_type, packet.captured, packet.original_len);
        let (Some(tcp), Some((from, to))) = (frame.tcp(), frame.addresses()) else { continue };
        let (from, to) = (SocketAddr::new(from, tcp.source_port()), SocketAddr::new(to, tcp.destination_port()));
        let flags = tcp.flags().to_string();
        let is_syn = flags.contains("SYN");
        let ends = (from.min(to), from.max(to));
        // A client may get the port again that an earlier one had.
        if flags == "SYN" && connections.get(&ends).is_some_and(|known| !known.initial.contains(&Some(tcp.seq()))) {
            connections.remove(&ends);
        }
        // Whoever sends the first segment opens the connection: the capture began before all of them.
        let connection = connections.entry(ends).or_insert_with(|| Connection {
            first_frame: packet.number,
            client: from,
            initial: [None; 2],
            scales: [None; 2],
        });
        let side = if connection.client == from { Side::Client } else { Side::Server };
        let (own, other) = (side as usize, side.other() as usize);
        let isn = *connection.initial[own].get_or_insert(tcp.seq());
        if is_syn {
            connection.scales[own] = Options::parse(tcp.option_bytes()).window_scale;
        }
        // Both sides have to have offered it (RFC 7323 §2.2).
        let scale = connection.scales[own].filter(|_| !is_syn && connection.scales[other].is_some());
        let ack =
            flags.contains("ACK").then(|| tcp.ack().0.wrapping_sub(connection.initial[other].map_or(0, |isn| isn.0)));
        let since = packet.time.zip(start).and_then(|(time, start)| time.since(start)).unwrap_or_default();
        let nanos = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        segments.push(Segment {
            frame: packet.number,
            time: format::seconds(nanos),
            nanos,
            connection: connection.first_frame,
            from: side,
            flags,
            seq: tcp.seq().0.wrapping_sub(isn.0),
            ack,
            window: u32::from(tcp.window()) << scale.unwrap_or(0).min(14),
            bytes: frame.payload().len(),
            frame_len: packet.captured.len(),
            text: shown(frame.payload()),
            payload: frame.payload().to_vec(),
        });
    }
    Ok(segments)
}

/// The beginning of a payload in one line, its line ends as `\n`.
fn shown(payload: &[u8]) -> String {
    let text = String::from_utf8_lossy(payload).replace('\r', "\\r").replace('\n', "\\n");
    let text = sanitize(&text).into_owned();
    match text.char_indices().nth(TEXT_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use switchboard_encap::capture::{About, Format, Interface, Record, Writer};
    use switchboard_encap::time::Timestamp;
    use switchboard_encap::wire::tcp::{self, Flags};
    use switchboard_encap::wire::{IpProtocol, LinkType, ipv4};

    use super::*;

    const SERVER: u16 = 8080;

    fn packet((source_port, seq, flags): (u16, u32, Flags)) -> Vec<u8> {
        let tcp = tcp::Repr {
            source_port,
            destination_port: if source_port == SERVER { 50_000 } else { SERVER },
            seq: SeqNumber(seq),
            ack: SeqNumber(0),
            flags,
            window: 100,
            urgent_pointer: 0,
            options: Options::default(),
        };
        let ip = ipv4::Repr {
            type_of_service: 0,
            identification: 0,
            dont_fragment: true,
            more_fragments: false,
            fragment_offset: 0,
            time_to_live: 64,
            protocol: IpProtocol::TCP,
            source: Ipv4Addr::LOCALHOST,
            destination: Ipv4Addr::LOCALHOST,
            payload_len: tcp.buffer_len(),
        };
        let mut bytes = vec![0; ip.buffer_len() + tcp.buffer_len()];
        ip.emit(&mut bytes);
        tcp.emit(&mut bytes[ip.buffer_len()..]);
        bytes
    }

    #[test]
    fn a_port_that_is_given_again_is_another_connection() {
        let sent = [
            (50_000, 1_000, Flags::SYN),
            (SERVER, 0, Flags::RST | Flags::ACK),
            (50_000, 7_000, Flags::SYN),
            // Nobody answered: it is sent again.
            (50_000, 7_000, Flags::SYN),
            (SERVER, 9_000, Flags::SYN | Flags::ACK),
            (50_000, 7_001, Flags::ACK),
        ];
        let file = tempfile::NamedTempFile::new().expect("a file");
        let interfaces = [Interface::new(LinkType::RAW)];
        let mut writer = Writer::new(&file, Format::Pcapng, About::default(), &interfaces).expect("it is written");
        for captured in sent.map(packet) {
            let original_len = u32::try_from(captured.len()).expect("it is short");
            let record = Record {
                time: Timestamp::from_nanos(1),
                interface: 0,
                captured: &captured,
                original_len,
                comments: &[],
            };
            writer.write(&record).expect("it is written");
        }
        writer.finish(&[]).expect("it is written");
        let segments = read(file.path()).expect("it is a capture");
        let found: Vec<_> = segments.iter().map(|segment| (segment.connection, segment.from, segment.seq)).collect();
        let (client, server) = (Side::Client, Side::Server);
        assert_eq!(
            found,
            [(1, client, 0), (1, server, 0), (3, client, 0), (3, client, 0), (3, server, 0), (3, client, 1)]
        );
    }
}

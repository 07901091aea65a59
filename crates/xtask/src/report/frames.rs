//! The TCP segments of a capture, as the report lists them. Times count from the first frame, and sequence numbers from
//! the SYN.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde::Serialize;
use switchboard_encap::analyze::{Analyzer, TrackedFrame};
use switchboard_encap::capture::Reader;
use switchboard_encap::side::Side;
use switchboard_encap::wire::Frame;
use switchboard_protocol::sanitize;

use super::format;

/// Maximum characters of a payload in a line of a table.
const EXCERPT_CHARS_MAX: usize = 36;

#[derive(Clone, Debug, Serialize)]
pub(super) struct Segment {
    /// Frame number in the capture.
    pub(super) frame: u64,
    /// Seconds since the first frame of the capture.
    pub(super) time: String,
    #[serde(skip)]
    pub(super) nanos: u64,
    /// Number of the segment's connection, as in `encap analyze`.
    #[serde(skip)]
    pub(super) connection: u64,
    pub(super) from: Side,
    pub(super) flags: String,
    /// Sequence number, counted from the sender's SYN.
    pub(super) seq: i64,
    /// Acknowledgement number, counted from the SYN of the other side.
    pub(super) ack: Option<i64>,
    /// Window in bytes. The unscaled field of the header, if the scale is unknown because the handshake was not
    /// captured.
    pub(super) window: u32,
    /// Length of the payload, in bytes.
    pub(super) bytes: usize,
    /// Length of the whole frame, in bytes.
    pub(super) frame_len: usize,
    /// The beginning of the payload, without control characters.
    pub(super) text: String,
    #[serde(skip)]
    pub(super) payload: Vec<u8>,
}

/// All TCP segments of a capture. The capture must fit in memory.
pub(super) fn read(file: &Path) -> Result<Vec<Segment>, String> {
    let error_text = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let mut reader = Reader::new(BufReader::new(File::open(file).map_err(|error| error_text(&error))?))
        .map_err(|error| error_text(&error))?;
    let mut first = None;
    let mut analyzer = Analyzer::default();
    let mut segments = Vec::new();
    while let Some(packet) = reader.next_packet().map_err(|error| error_text(&error))? {
        let start = *first.get_or_insert(packet.time);
        let frame = Frame::parse(packet.link_type, packet.captured, packet.original_len);
        let tracked = analyzer.frame(packet.number, packet.time, &frame, &mut |_| {});
        let Some(TrackedFrame { sender, segment: Some(segment) }) = tracked else { continue };
        let since = packet.time.zip(start).and_then(|(time, start)| time.since(start)).unwrap_or_default();
        let nanos = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        segments.push(Segment {
            frame: packet.number,
            time: format::seconds(nanos),
            nanos,
            connection: sender.number,
            from: sender.side,
            flags: segment.flags.to_string(),
            seq: segment.seq,
            ack: segment.ack,
            window: segment.window.bytes().unwrap_or(segment.window.field.into()),
            bytes: frame.payload().len(),
            frame_len: packet.captured.len(),
            text: excerpt(frame.payload()),
            payload: frame.payload().to_vec(),
        });
    }
    Ok(segments)
}

/// The beginning of a payload in one line. Line ends are shown as `\r` and `\n`.
fn excerpt(payload: &[u8]) -> String {
    let text = String::from_utf8_lossy(payload).replace('\r', "\\r").replace('\n', "\\n");
    let text = sanitize(&text).into_owned();
    match text.char_indices().nth(EXCERPT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use switchboard_encap::capture::{FileMetadata, Format, Interface, Record, Writer};
    use switchboard_encap::time::Timestamp;
    use switchboard_encap::wire::tcp::{self, Flags, Options};
    use switchboard_encap::wire::{IpProtocol, LinkType, SeqNumber, ipv4};

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
    fn a_reused_port_begins_a_new_connection() {
        let sent = [
            (50_000, 1_000, Flags::SYN),
            (SERVER, 0, Flags::RST | Flags::ACK),
            (50_000, 7_000, Flags::SYN),
            // The server did not answer, so the client repeats its SYN.
            (50_000, 7_000, Flags::SYN),
            (SERVER, 9_000, Flags::SYN | Flags::ACK),
            (50_000, 7_001, Flags::ACK),
        ];
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let interfaces = [Interface::new(LinkType::RAW)];
        let mut writer =
            Writer::new(&file, Format::Pcapng, FileMetadata::default(), &interfaces).expect("the file can be written");
        for captured in sent.map(packet) {
            let original_len = u32::try_from(captured.len()).expect("the frame is short");
            let record = Record {
                time: Timestamp::from_nanos(1),
                interface: 0,
                captured: &captured,
                original_len,
                comments: &[],
            };
            writer.write(&record).expect("the file can be written");
        }
        writer.finish(&[]).expect("the file can be written");
        let segments = read(file.path()).expect("the file is a capture");
        let found: Vec<_> = segments.iter().map(|segment| (segment.connection, segment.from, segment.seq)).collect();
        let (client, server) = (Side::Client, Side::Server);
        assert_eq!(
            found,
            // The server sent no SYN before its RST, so the RST has the sequence number 1, as in Wireshark.
            [(0, client, 0), (0, server, 1), (1, client, 0), (1, client, 0), (1, server, 0), (1, client, 1)]
        );
    }
}

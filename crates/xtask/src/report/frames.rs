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
use switchboard_protocol::show;

use super::words;

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
    #[serde(skip)]
    pub(super) client: SocketAddr,
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

/// All segments of a capture that fits in memory: the report's own.
pub(super) fn read(file: &Path) -> Result<Vec<Segment>, String> {
    let say = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let mut reader =
        Reader::new(BufReader::new(File::open(file).map_err(|error| say(&error))?)).map_err(|error| say(&error))?;
    let mut first = None;
    // The initial sequence number of each side of each conversation.
    let mut initial: HashMap<(SocketAddr, SocketAddr), SeqNumber> = HashMap::new();
    // The exponent of each side's factor, where its SYN has one.
    let mut scales: HashMap<(SocketAddr, SocketAddr), u8> = HashMap::new();
    let mut clients: HashMap<(SocketAddr, SocketAddr), SocketAddr> = HashMap::new();
    let mut segments = Vec::new();
    while let Some(packet) = reader.next_packet().map_err(|error| say(&error))? {
        let start = *first.get_or_insert(packet.time);
        let frame = Frame::parse(packet.link_type, packet.captured, packet.original_len);
        let (Some(tcp), Some((from, to))) = (frame.tcp(), frame.addresses()) else { continue };
        let (from, to) = (SocketAddr::new(from, tcp.source_port()), SocketAddr::new(to, tcp.destination_port()));
        let ends = (from.min(to), from.max(to));
        // Whoever sends the first segment opens the connection: the capture began before all of them.
        let client = *clients.entry(ends).or_insert(from);
        let isn = *initial.entry((from, to)).or_insert(tcp.seq());
        let flags = tcp.flags().to_string();
        let is_syn = flags.contains("SYN");
        if let Some(scale) = Options::parse(tcp.option_bytes()).window_scale.filter(|_| is_syn) {
            scales.insert((from, to), scale);
        }
        // Both sides have to have offered it (RFC 7323 §2.2).
        let scale = scales.get(&(from, to)).filter(|_| !is_syn && scales.contains_key(&(to, from)));
        let ack =
            flags.contains("ACK").then(|| tcp.ack().0.wrapping_sub(initial.get(&(to, from)).map_or(0, |isn| isn.0)));
        let since = packet.time.zip(start).and_then(|(time, start)| time.since(start)).unwrap_or_default();
        let nanos = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        segments.push(Segment {
            frame: packet.number,
            time: words::seconds(nanos),
            nanos,
            client,
            from: if client == from { Side::Client } else { Side::Server },
            flags,
            seq: tcp.seq().0.wrapping_sub(isn.0),
            ack,
            window: u32::from(tcp.window()) << scale.copied().unwrap_or(0).min(14),
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
    let text = show::safe(&text).into_owned();
    match text.char_indices().nth(TEXT_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

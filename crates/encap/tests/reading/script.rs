//! Captures written as scripts.
//!
//! A script is a list of TCP segments separated by `;`. Each has a direction, flags, numbers and options:
//!
//! ```text
//! > S 1000 ws=7; < SA 9000 1001; +500 > A 1001 9001 w=100 =hello\n
//! ```
//!
//! `>` is a segment of the client, `<` a segment of the server. Digits before the sign select another client. A segment
//! follows the previous one after 10 milliseconds; `+500` makes it 500. The two numbers are the sequence number and the
//! acknowledgment number. `w=` is the window, `ws=` the window scale, and ` =` starts the payload.

use switchboard_encap::capture::{FileMetadata, Format, Interface, Record, Writer};
use switchboard_encap::time::Timestamp;
use switchboard_encap::wire::tcp::{self, Flags, Options};
use switchboard_encap::wire::{IpProtocol, LinkType, SeqNumber, ipv4};

/// The server's port.
pub(crate) const PORT: u16 = 5555;

/// Builds the capture of a script.
pub(crate) fn capture(script: &str) -> Vec<u8> {
    file(&packets(script))
}

/// The IP packets of a script, each with its time in nanoseconds.
pub(crate) fn packets(script: &str) -> Vec<(i64, Vec<u8>)> {
    let mut now = 0;
    script.split(';').map(|segment| packet(segment.trim_start(), &mut now)).collect()
}

/// A capture of IP packets, each with its time in nanoseconds.
pub(crate) fn file(packets: &[(i64, Vec<u8>)]) -> Vec<u8> {
    file_of(LinkType::RAW, &FileMetadata::default(), packets)
}

/// A capture of frames, each with its time in nanoseconds.
pub(crate) fn file_of(link_type: LinkType, metadata: &FileMetadata<'_>, frames: &[(i64, Vec<u8>)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), Format::Pcapng, *metadata, &[Interface::new(link_type)]).unwrap();
    for (nanos, captured) in frames {
        let original_len = u32::try_from(captured.len()).unwrap();
        let time = Timestamp::from_nanos(*nanos);
        writer.write(&Record { time, interface: 0, captured, original_len, comments: &[] }).unwrap();
    }
    writer.finish(&[]).unwrap()
}

/// Parses one segment of a script. Returns its time and its IP packet. `now` is the time of the previous segment, and
/// is advanced.
fn packet(segment: &str, now: &mut i64) -> (i64, Vec<u8>) {
    let (head, payload) = segment.split_once(" =").unwrap_or((segment, ""));
    let payload = payload.replace("\\n", "\n");
    let (mut wait_ms, mut client, mut numbers) = (10, 0, Vec::new());
    let (mut from_client, mut window, mut options) = (true, 501, Options::default());
    let mut flags = Flags::NONE;
    for word in head.split_ascii_whitespace() {
        if let Some(ms) = word.strip_prefix('+') {
            wait_ms = ms.parse().unwrap();
        } else if let Some(digits) = word.strip_suffix(['>', '<']) {
            from_client = word.ends_with('>');
            client = if digits.is_empty() { 0 } else { digits.parse().unwrap() };
        } else if let Some(scale) = word.strip_prefix("ws=") {
            options.window_scale = Some(scale.parse().unwrap());
        } else if let Some(bytes) = word.strip_prefix("w=") {
            window = bytes.parse().unwrap();
        } else if let Ok(number) = word.parse() {
            numbers.push(SeqNumber(number));
        } else {
            for letter in word.chars() {
                flags = flags
                    | match letter {
                        'S' => Flags::SYN,
                        'A' => Flags::ACK,
                        'F' => Flags::FIN,
                        'R' => Flags::RST,
                        'P' => Flags::PSH,
                        _ => panic!("unknown word {word} in {segment}"),
                    };
            }
        }
    }
    *now += wait_ms * 1_000_000;
    let (client_port, hosts) = (40_000 + client, [[10, 0, 0, 1], [10, 0, 0, 2]]);
    let (source, destination) = if from_client { (hosts[0], hosts[1]) } else { (hosts[1], hosts[0]) };
    let (source_port, destination_port) = if from_client { (client_port, PORT) } else { (PORT, client_port) };
    let number = |i: usize| numbers.get(i).copied().unwrap_or(SeqNumber(0));
    let (seq, ack) = (number(0), number(1));
    let tcp = tcp::Repr { source_port, destination_port, seq, ack, flags, window, urgent_pointer: 0, options };
    let ip = ipv4::Repr {
        type_of_service: 0,
        identification: 0,
        dont_fragment: true,
        more_fragments: false,
        fragment_offset: 0,
        time_to_live: 64,
        protocol: IpProtocol::TCP,
        source: source.into(),
        destination: destination.into(),
        payload_len: tcp.buffer_len() + payload.len(),
    };
    let mut bytes = vec![0; ip.buffer_len() + tcp.buffer_len()];
    let (ip_header, tcp_header) = bytes.split_at_mut(ip.buffer_len());
    ip.emit(ip_header);
    tcp.emit(tcp_header);
    bytes.extend_from_slice(payload.as_bytes());
    tcp::fill_checksum(&mut bytes[ip.buffer_len()..], &ip.pseudo_header());
    (*now, bytes)
}
